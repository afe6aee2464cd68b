/** A moment at one of the places: by vNIC, the number of the last frame that its port there had kept. */
export type Mark = Readonly<Record<string, number>>
