/** One frame as a capture recorded it. */
export interface CapturedFrame {
  /** Its place among the frames of the file, from 1. */
  number: number
  /** Where its record begins in the file. */
  offset: number
  /** Nanoseconds since 1970, cut down where the file is finer; 0 where the record has no time (simple packet blocks). */
  timestamp: bigint
  /** Counted from 0 through the whole file: interfaces of two sections never share a number. 0 in a pcap. */
  interfaceId: number
  interfaceName?: string
  /** A number of `LINK_TYPES`. */
  linkType: number
  /** The length on the wire; `bytes` may hold less. */
  originalLength: number
  /** A view into the reader's memory: valid until the next batch is asked for. */
  bytes: Uint8Array
  /** Several comments of one frame are joined by line breaks. */
  comment?: string
}

/** As Wireshark has it, the longest frame that a capture may hold. A longer one is damage. */
export const MAX_FRAME_SIZE = 256 * 1024

/** What a capture's link types are called (tcpdump.org/linktypes), for messages to people. */
export const LINK_TYPES: Readonly<Record<number, string>> = {
  0: 'NULL',
  1: 'ETHERNET',
  6: 'IEEE802_5',
  8: 'SLIP',
  9: 'PPP',
  10: 'FDDI',
  12: 'RAW',
  14: 'RAW',
  50: 'PPP_HDLC',
  51: 'PPP_ETHER',
  100: 'ATM_RFC1483',
  101: 'RAW',
  104: 'C_HDLC',
  105: 'IEEE802_11',
  107: 'FRELAY',
  108: 'LOOP',
  113: 'LINUX_SLL',
  117: 'PFLOG',
  119: 'IEEE802_11_PRISM',
  127: 'IEEE802_11_RADIOTAP',
  147: 'USER0',
  163: 'IEEE802_11_AVS',
  187: 'BLUETOOTH_HCI_H4',
  189: 'USB_LINUX',
  192: 'PPI',
  195: 'IEEE802_15_4_WITHFCS',
  201: 'BLUETOOTH_HCI_H4_WITH_PHDR',
  220: 'USB_LINUX_MMAPPED',
  227: 'CAN_SOCKETCAN',
  228: 'IPV4',
  229: 'IPV6',
  239: 'NFLOG',
  247: 'INFINIBAND',
  249: 'USBPCAP',
  253: 'NETLINK',
  274: 'ETHERNET_MPACKET',
  276: 'LINUX_SLL2',
}

export const LINK_TYPE_ETHERNET = 1
