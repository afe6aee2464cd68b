import type { MessageOf } from '../../../protocols/control/messages.ts'
import { TABLES } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'

export const features = (device: Switch): MessageOf<'featuresReply'> => ({
  type: 'featuresReply',
  datapathId: device.datapathId,
  name: device.name,
  host: device.host,
  tables: TABLES,
  ports: [...device.ports].map((port) => device.ports.describe(port)),
})
