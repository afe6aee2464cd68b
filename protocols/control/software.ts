/** How a switch describes itself: OpenFlow 1.3 §7.3.5.1. */
export const SOFTWARE = { manufacturer: 'Signalbox', hardware: 'Signalbox vSwitch', software: '0.1.0' } as const
