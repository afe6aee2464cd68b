// Whose something is, and who may use it.

/** In a list of networks: that a tenant is meant. */
export const TENANT = 'tenant:'

/** What the tenant itself calls it: `blue` of `red/blue`. */
export const ownName = ({ name, tenant }: { name: string; tenant?: string | undefined }): string =>
  tenant === undefined ? name : name.slice(tenant.length + 1)

/** The tenant of a VM, or of its vNIC, by its name: `red` of `red/web1:eth0`. */
export function tenantOf(name: string): string | undefined {
  const end = name.indexOf('/')
  return end < 0 ? undefined : name.slice(0, end)
}

interface Shareable {
  tenant?: string | undefined
  shared?: boolean | readonly (string | undefined)[] | undefined
}

/** Whether VMs of the tenant, or of nobody, may be in the network. */
export const mayUse = (tenant: string | undefined, { tenant: owner, shared }: Shareable): boolean =>
  tenant === owner || shared === true || (tenant !== undefined && Array.isArray(shared) && shared.includes(tenant))
