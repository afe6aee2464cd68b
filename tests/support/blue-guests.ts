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
