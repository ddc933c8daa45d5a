// The smallest useful function, as an ES module: greets, and says where it ran.
let started = 0; // survives from one invocation to the next in a warm environment

export const handler = async (event, context) => {
  console.log(`invocation ${++started}, ${context.getRemainingTimeInMillis()} ms left`);
  return { hello: event.name ?? "world", function: context.functionName, node: process.version };
};
