// The MAC address of a host's tunnel endpoint, from the low 24 bits of its IPv4 address: 02:53:42 stands for Signalbox.

import { parseIpv4 } from '../../protocols/address.ts'

/** The first two octets of every endpoint's address. */
export const VTEP_HIGH = 0x0253
const THIRD = 0x42

/** What is the endpoint's own in its MAC address: the last three octets. */
export const vtepNumber = (ip: number): number => ip & 0xffffff

/** The last four octets of the MAC address of the endpoint with this IPv4 address, unsigned. */
export const vtepLow = (ip: number): number => THIRD * 2 ** 24 + vtepNumber(ip)

export const isVtep = (high: number, low: number): boolean => high === VTEP_HIGH && low >>> 24 === THIRD

export const vtepMac = (address: string): bigint => (BigInt(VTEP_HIGH) << 32n) | BigInt(vtepLow(parseIpv4(address)))
