import { DROP_REASONS } from '../protocols/drop-names.ts'

export { DROP_REASONS }

export type DropReason = keyof typeof DROP_REASONS
