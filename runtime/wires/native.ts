// The few calls of the C library that network devices need and Node has not, by koffi: an optional dependency, loaded when the first
// device is opened. Structures are laid out by hand, for Linux on x64 and arm64.

import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'
import type * as Koffi from 'koffi'

export interface Native {
  /** All of these return -1 where they fail; `errno` tells why. */
  socket(domain: number, type: number, protocol: number): number
  bind(socket: number, address: Uint8Array, length: number): number
  setsockopt(socket: number, level: number, option: number, value: Uint8Array, length: number): number
  ioctl(file: number, request: number, argument: Uint8Array): number
  read(file: number, into: Uint8Array, length: number): number
  write(file: number, bytes: Uint8Array, length: number): number
  recvmmsg(socket: number, messages: Uint8Array, count: number, flags: number, timeout: null): number
  epoll_create1(flags: number): number
  epoll_ctl(epoll: number, operation: number, file: number, event: Uint8Array): number
  eventfd(initial: number, flags: number): number
  close(file: number): number
  /** Of the last call that failed: `EAGAIN`. */
  errno(): string
  /** Where the bytes are, for structures that point at each other. Stays true for as long as somebody holds them. */
  addressOf(bytes: Uint8Array): bigint
  /** The module to load in another thread. */
  readonly koffiPath: string
}

const ARCHITECTURES: readonly string[] = ['x64', 'arm64']

let loaded: Native | undefined

/** @throws Error a sentence for people: this system has no such devices, or koffi is not installed. */
export function loadNative(): Native {
  return (loaded ??= load())
}

function load(): Native {
  const { platform, arch } = process
  if (platform !== 'linux' || !ARCHITECTURES.includes(arch))
    throw new Error(`network devices need Linux on ${ARCHITECTURES.join(' or ')}; this is ${platform} on ${arch}`)
  const require = createRequire(import.meta.url)
  let koffi: typeof Koffi
  try {
    koffi = require('koffi') as typeof Koffi
  } catch {
    throw new Error("network devices need the optional package 'koffi': npm install koffi")
  }
  const libc = koffi.load(null)
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    bind: libc.func('int bind(int socket, const void *address, unsigned int length)'),
    setsockopt: libc.func('int setsockopt(int socket, int level, int option, const void *value, unsigned int length)'),
    ioctl: libc.func('int ioctl(int file, unsigned long request, void *argument)'),
    read: libc.func('long read(int file, void *into, size_t length)'),
    write: libc.func('long write(int file, const void *bytes, size_t length)'),
    recvmmsg: libc.func('int recvmmsg(int socket, void *messages, unsigned int count, int flags, void *timeout)'),
    epoll_create1: libc.func('int epoll_create1(int flags)'),
    epoll_ctl: libc.func('int epoll_ctl(int epoll, int operation, int file, void *event)'),
    eventfd: libc.func('int eventfd(unsigned int initial, int flags)'),
    close: libc.func('int close(int file)'),
    errno: () => getSystemErrorName(-koffi.errno()),
    addressOf: (bytes) => koffi.address(bytes),
    koffiPath: require.resolve('koffi'),
  }
}

// linux/if.h: struct ifreq, a name and then what the request is about.
const IFREQ_SIZE = 40
const VALUE = 16

const SIOCGIFFLAGS = 0x8913
const SIOCSIFFLAGS = 0x8914
const SIOCSIFMTU = 0x8922
const SIOCGIFINDEX = 0x8933
const IFF_UP = 0x1
const IFF_RUNNING = 0x40

export function interfaceRequest(name: string): Buffer {
  const request = Buffer.alloc(IFREQ_SIZE)
  request.write(name, 'latin1')
  return request
}

/** The number of the interface in the namespace of the socket; 0 where there is none of this name. */
export function interfaceIndex(native: Native, socket: number, name: string): number {
  const request = interfaceRequest(name)
  return native.ioctl(socket, SIOCGIFINDEX, request) < 0 ? 0 : request.readInt32LE(VALUE)
}

/** It is up, and has a carrier. */
export function interfaceRuns(native: Native, socket: number, name: string): boolean {
  const request = interfaceRequest(name)
  if (native.ioctl(socket, SIOCGIFFLAGS, request) < 0) return false
  const wanted = IFF_UP | IFF_RUNNING
  return (request.readUInt16LE(VALUE) & wanted) === wanted
}

/** @throws Error */
export function setInterfaceUp(native: Native, socket: number, name: string): void {
  const request = interfaceRequest(name)
  if (native.ioctl(socket, SIOCGIFFLAGS, request) < 0) throw failure(native, `${name}: its flags can not be read`)
  const flags = request.readUInt16LE(VALUE)
  if ((flags & IFF_UP) !== 0) return
  request.writeUInt16LE(flags | IFF_UP, VALUE)
  if (native.ioctl(socket, SIOCSIFFLAGS, request) < 0) throw failure(native, `${name}: it can not be set up`)
}

/** @throws Error */
export function setInterfaceMtu(native: Native, socket: number, name: string, mtu: number): void {
  const request = interfaceRequest(name)
  request.writeInt32LE(mtu, VALUE)
  if (native.ioctl(socket, SIOCSIFMTU, request) < 0) throw failure(native, `${name}: its MTU can not be ${mtu}`)
}

/** The last call that failed, in a sentence. */
export function failure(native: Native, what: string): Error {
  const code = native.errno()
  const why = code === 'EPERM' || code === 'EACCES' ? 'that needs root, or CAP_NET_ADMIN and CAP_NET_RAW' : code
  return new Error(`${what}: ${why}`)
}
