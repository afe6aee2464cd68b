// The plan: what each flow table is for, what the registers carry between them, and whose flow a cookie says it is.

/** Tables 0 to 9 are the user's. What misses there goes on to `Classify`, so a user's flow comes before all of the plan. */
export const LAST_USER_TABLE = 9

export const Table = {
  /** Rate of what a vNIC sends; copies of it; which network a frame belongs to: strips the tag that said so. */
  Classify: 10,
  /** Whether a vNIC's frame wears the addresses it may wear. */
  PortSecurity: 11,
  /** Link-layer addresses and targets inside neighbour discovery, as port security wants them. */
  NeighbourSecurity: 12,
  /** A vNIC's security groups, as it sends. */
  TrackFromVm: 13,
  /** What security groups let a vNIC begin: connections that it opens itself, and answers in these. */
  RulesFromVm: 14,
  /** DSCP of what a vNIC sends, and its queue. */
  Qos: 15,
  /** Answers to ARP requests and neighbour solicitations for addresses that are known. */
  Neighbours: 16,
  /** Source addresses that the topology does not know are told to the controller. */
  Learning: 17,
  /** An answer in the making: sender and target change places. */
  Answer: 18,
  /** The last field of an IPv6 answer: it can be written only once the frame is an advertisement. */
  AnswerNeighbour: 19,
  /** Where a known destination is. */
  Forward: 20,
  /** Everybody who may hear a frame for nobody in particular. */
  Flood: 21,
  /** What is for a multicast group, where the network snoops: who listens to it. */
  Multicast: 22,
  /** Multicast reports and queries are told to the controller where they enter. */
  Reports: 23,
  /** What everybody on an overlay may hear: a copy for each part of the hosts that have the network. */
  Replicate: 24,
  /** A vNIC's security groups, as it is to receive. */
  TrackToVm: 25,
  /** What security groups let others begin: connections that they open to a vNIC, and its answers in these. */
  RulesToVm: 26,
  /** What security groups have let through: new connections are committed. */
  Admitted: 27,
  /** Where copies of what vNICs say and hear go. */
  Mirror: 28,
  /** A copy for each host of one part, but this. */
  Tunnel: 29,
  /** Out of a vNIC port: rate of what it receives, and the guest's own tag. */
  Egress: 30,
} as const

export const Register = {
  /** The network's number. */
  Network: 'reg0',
  /** One of `Origin`. */
  Origin: 'reg1',
  /** Scratch of `Table.Answer`; of a copy for other hosts, which part of them. */
  Scratch: 'reg2',
  /** Of the vNIC whose security groups are asked: which groups together. */
  Combination: 'reg3',
  /** And its connection-tracking zone. */
  Zone: 'reg4',
  /** One of `Side`. */
  Side: 'reg5',
  /** 1 where a rule has let a frame through whose connections outlive it. */
  Kept: 'reg6',
  /** What mirrors have had of a frame: one of `Mirrored`, or both. */
  Mirrored: 'reg7',
  /** In a copy: whose it is. */
  Mirror: 'reg8',
  /** In a copy for a file: whose frame it is, as the port of a file reads it (control.proto). */
  Copied: 'reg10',
  /** 1 where a frame has been counted for its sender's rate. */
  Policed: 'reg9',
  /** Attachment through which a vNIC's frame came in. */
  From: 'reg14',
  /** Attachment through which a frame goes out. */
  To: 'reg15',
} as const

/** Through what kind of port a frame came in. */
export const Origin = { Vnic: 1, Uplink: 2, Tunnel: 3, Patch: 4 } as const

/** Where the vNIC is whose security groups are asked: it sends the frame, or is to receive it. */
export const Side = { FromVm: 1, ToVm: 2 } as const

/** Bits of `Register.Mirrored`: a copy as its sender says it, and as whoever is next hears it. */
export const Mirrored = { FromVm: 1, ToVm: 2 } as const

/** Who wrote a flow: the number stands in its cookie, the name in a verdict. */
export const APPS = {
  user_tables: 1,
  classifier: 2,
  port_security: 3,
  qos: 4,
  neighbours: 5,
  learning: 6,
  forwarding: 7,
  flooding: 8,
  egress: 9,
  security_groups: 10,
  multicast: 11,
  mirrors: 12,
} as const
export type AppName = keyof typeof APPS

const OWN = 0x5b5bn
const names = new Map<number, AppName>(Object.entries(APPS).map(([name, number]) => [number, name as AppName]))

export const cookieOf = (app: AppName): bigint => (OWN << 48n) | (BigInt(APPS[app]) << 40n)

/** True for cookies that users may not give their flows. */
export const isOwnCookie = (cookie: bigint): boolean => cookie >> 48n === OWN

/** The app that wrote the flow with this cookie; undefined for a user's flow. */
export const appOfCookie = (cookie: bigint): AppName | undefined =>
  isOwnCookie(cookie) ? names.get(Number((cookie >> 40n) & 0xffn)) : undefined
