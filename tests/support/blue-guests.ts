/** A VM with one vNIC, `eth0` on the network `blue`, as it stands in a topology; its MAC address follows from its serial number, 1 to 9. */
export const blueGuest = (
  name: string,
  host: string,
  serial: number,
  addresses: readonly string[],
  policy: object,
) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses, policy }],
})

/** Its addresses of both families on that network. */
export const blueAddresses = (serial: number): string[] => [`10.0.0.${serial}`, `2001:db8::${serial}`]

/** Hosts with tunnel endpoints, each 20 us from one switch, as they stand in a topology; `more` is what else each is to have. */
export const hostsOnOneSwitch = (names: readonly string[], more: () => object = () => ({})) => ({
  hosts: names.map((name, index) => ({ name, vtep: `192.0.2.${index + 1}`, ...more() })),
  fabric: { switches: [{ name: 'tor' }], links: names.map((host) => ({ endpoints: [host, 'tor'], delay: '20us' })) },
})
