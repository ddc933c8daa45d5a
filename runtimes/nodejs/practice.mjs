/* Imported once by a generic runtime before it has a function, so that importing is practised. */
export const handler = async (event) => event;
