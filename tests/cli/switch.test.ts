import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tcpFrame } from '../../protocols/packet/compose.ts'
import { ended, firstLine, runHere, startCli } from '../support/run-cli.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const written = (name: string, content: string) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe('switch run refuses, with a sentence', () => {
  test.each([
    [['--port', 'p1'], "'p1' is no port; expected NAME[@NUMBER]=WIRE"],
    [['--port', 'p1=dgram:127.0.0.1:1,127.0.0.1:2;tag=5000'], "tag '5000'; expected 1 to 4094"],
    [['--port', 'p1=dgram:127.0.0.1:1,127.0.0.1:2;vlan_mode=tagged'], "vlan_mode 'tagged'; expected access"],
    [['--port', 'p1=dgram:127.0.0.1:1,127.0.0.1:2;speed=1'], "unknown attribute 'speed'; expected tag"],
    [['--port', 'p1=dgram:127.0.0.1:1,127.0.0.1:2;max_rate=0bps'], "max_rate '0bps'; expected 1bps or more"],
    [['--port', 'p1=dgram:127.0.0.1:1,127.0.0.1:2;queue.1.max_rate=0bps'], "queue.1.max_rate '0bps'; expected 1bps"],
    [
      ['--port', 'p1=dgram:127.0.0.1:1,127.0.0.1:2;queue.1.min_rate=2Mbps;queue.1.max_rate=1Mbps'],
      'queue.1.min_rate is above queue.1.max_rate',
    ],
    [['--listen', 'tcp:127.0.0.1:1'], 'is a place to dial; expected ptcp:'],
    [['--controller', 'ptcp:1'], 'is a place to listen; expected tcp:'],
    [['--snoop', 'tcp:127.0.0.1:1'], 'is a place to dial; expected ptcp:'],
    [['--listen', 'punix:/nowhere/s.sock'], 'punix:/nowhere/s.sock: no such folder: /nowhere'],
    [['--port', 'p1=dgram:127.0.0.1:0,[::1]:2'], 'both ends of a wire'],
    [['--port', 'p1=stream:punix:/nowhere/wire'], 'stream:punix:/nowhere/wire: no such folder: /nowhere'],
    [['--listen', 'pssl:0:127.0.0.1'], 'need --private-key, --certificate and --ca-cert'],
    [['--datapath-id', 'xyz'], 'expected up to 16 hexadecimal digits'],
    [['--fail-mode', 'open'], 'Allowed choices are secure, standalone'],
    [['--table', '254=eviction'], 'tables being 0 to 253'],
    [['--table', '5=miss:flood'], "'miss:flood' sets nothing; expected NUMBER="],
    [['--flows', '/nowhere/flows.txt'], '/nowhere/flows.txt: no such folder'],
  ])('%j', async (words, sentence) => {
    const { code, stderr } = await runHere('switch', 'run', ...words)
    expect(stderr).toContain(sentence)
    expect(code).toBe(2)
  })

  test('a file of flows in which one is wrong, at its line and column', async () => {
    const file = written('flows.txt', '# three\npriority=1,actions=drop\n\ntcp,tp_dts=80,actions=drop\n')
    const { code, stderr } = await runHere('switch', 'run', '--flows', file)
    expect(stderr).toContain(`${file}:4: column 5: unknown keyword 'tp_dts'`)
    expect(code).toBe(2)
  })

  test('a flow that its tables refuse, with its line', async () => {
    const file = written('flows.txt', 'priority=1,actions=drop\nactions=group:7\n')
    const { code, stderr } = await runHere('switch', 'run', '--flows', file)
    expect(stderr).toContain(`${file}:2: OFPBAC_BAD_OUT_GROUP`)
    expect(code).toBe(2)
  })
})

test('switch run has what its files and options say, answers, and ends when told to', async () => {
  const socket = join(folder, 'switch.sock')
  const files = {
    groups: written('groups.txt', 'group_id=7,type=all,bucket=output:1\n'),
    meters: written('meters.txt', 'meter=1,kbps,bands=type=drop,rate=100\n'),
    flows: written('flows.txt', 'in_port=p1,actions=meter:1,group:7\ntable=1,actions=drop\n'),
  }
  const given = Object.entries(files).flatMap(([kind, file]) => [`--${kind}`, file])
  const port = 'p1@3=dgram:127.0.0.1:0,127.0.0.1:9;tag=10;queue.1.max_rate=1Mbps'
  const child = startCli('switch', 'run', '--json', '--listen', `punix:${socket}`, '--port', port, ...given)
  const end = ended(child)
  const { ready, listen, ports } = JSON.parse(await firstLine(child)) as Record<string, unknown>
  expect({ ready, listen }).toEqual({ ready: true, listen: [`punix:${socket}`] })
  expect(ports).toMatchObject([{ number: 3, name: 'p1' }])
  const shown = await runHere('switch', 'show', `unix:${socket}`)
  expect(shown.stdout).toContain('n_tables:254, flows:2, groups:1\n')
  expect(shown.stdout).toMatch(/ 3\(p1\): addr:\S+\n {5}config: {5}0\n {5}state: {6}LIVE\n {5}tag=10\n/)
  expect((await runHere('switch', 'fdb', `unix:${socket}`)).stdout).toBe(' port  VLAN  MAC                Age\n')
  expect((await runHere('switch', 'dump-conntrack', `unix:${socket}`)).stdout).toBe('')
  const wrong = await runHere('switch', 'dump-conntrack', `unix:${socket}`, 'zone=x')
  expect([wrong.code, wrong.stderr]).toEqual([2, "signalbox: 'zone=x' selects no zone; expected zone=N\n"])
  child.kill('SIGTERM')
  expect(await end).toMatchObject({ code: 0, stderr: '' })
})

test('a running switch is asked over its sockets about a frame that it has forwarded', async () => {
  const [sender, receiver] = await Promise.all([boundSocket(), boundSocket()])
  const socket = join(folder, 'switch.sock')
  const flows = written('flows.txt', 'tcp actions=ct(commit,zone=5),NORMAL\n')
  const port = (name: string, remote: number) => ['--port', `${name}=dgram:127.0.0.1:0,127.0.0.1:${remote}`]
  const ports = [...port('p1@1', sender.address().port), ...port('p2@2', receiver.address().port)]
  const listen = ['--listen', `punix:${socket}`, '--listen', 'ptcp:0:127.0.0.1']
  const child = startCli('switch', 'run', '--json', '--name', 'br7', '--flows', flows, ...listen, ...ports)
  const end = ended(child)
  const up = JSON.parse(await firstLine(child)) as { listen: string[]; ports: { wire: string }[] }
  const [, tcpPort] = /^ptcp:(\d+)/.exec(up.listen[1]!)!
  const frame = tcpFrame({
    ethSrc: 0x20000000001n,
    ethDst: 0x20000000002n,
    ipSrc: 1,
    ipDst: 2,
    srcPort: 9,
    dstPort: 80,
    flags: 2,
  })
  sender.send(frame, Number(/:(\d+),/.exec(up.ports[0]!.wire)?.[1]), '127.0.0.1')
  const [forwarded] = (await once(receiver, 'message')) as [Buffer]
  expect(forwarded.equals(frame)).toBe(true)

  for (const target of [`unix:${socket}`, `tcp:127.0.0.1:${tcpPort}`]) {
    const asked = async (verb: string, ...words: string[]) => (await runHere('switch', verb, target, ...words)).stdout
    expect(await asked('show')).toMatch(/flows:1, groups:0\n[^]* 2\(p2\): addr:/)
    expect(await asked('fdb')).toMatch(/\n +1 +0 +02:00:00:00:00:01 +\d+\n$/)
    const connection = /^tcp,orig=\(src=0\.0\.0\.1,dst=0\.0\.0\.2,sport=9,dport=80\),.*,zone=5,.*state=SYN_SENT/
    expect(await asked('dump-conntrack')).toMatch(connection)
    expect(await asked('dump-conntrack', '5')).toMatch(connection)
    expect(await asked('dump-conntrack', 'zone=6')).toBe('')
    expect(await asked('dpctl-dump-flows')).toMatch(/in_port\(1\).*, packets:1, .*actions:ct\(commit,zone=5\),2,/)
    const traced = await asked('trace', 'br7', 'in_port=2,tcp,dl_dst=02:00:00:00:00:01')
    expect(traced).toContain(' 0. tcp, priority 32768\n    ct(commit,zone=5)\n')
    expect(traced).toContain('forwarding to learned port')
    expect(traced).toMatch(/Datapath actions: ct\(commit,zone=5\),1\n/)
    const wrong = await runHere('switch', 'trace', target, 'br8', 'in_port=2,tcp')
    expect(wrong).toMatchObject({ code: 2, stderr: 'signalbox: br8: unknown bridge; this is br7\n' })
  }
  child.kill('SIGTERM')
  expect(await end).toMatchObject({ code: 0, stderr: '' })
  sender.close()
  receiver.close()
})

async function boundSocket() {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}
