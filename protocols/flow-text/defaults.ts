/** A flow's priority where its text says none: OFP_DEFAULT_PRIORITY. */
export const DEFAULT_PRIORITY = 32768
