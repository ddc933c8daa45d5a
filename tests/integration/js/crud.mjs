// Drives a daemon with the official JavaScript SDK: create, invoke, update, list, delete, errors.
// Arguments: endpoint, folder with the zips. Prints one JSON object; any surprise is an exception.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  CreateFunctionCommand, DeleteFunctionCommand, GetFunctionCommand, InvokeCommand, LambdaClient,
  ListFunctionsCommand, ListVersionsByFunctionCommand, PublishVersionCommand, ResourceConflictException,
  ResourceNotFoundException, UpdateFunctionCodeCommand, UpdateFunctionConfigurationCommand,
  paginateListFunctions, waitUntilFunctionActiveV2, waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";

const [endpoint, folder, name, runtime] = process.argv.slice(2);
const client = new LambdaClient({
  endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" }, maxAttempts: 1,
});
const wait = { client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };
const text = (bytes) => Buffer.from(bytes).toString();
const one = readFileSync(`${folder}/one.zip`);
const two = readFileSync(`${folder}/two.zip`);
const create = () => client.send(new CreateFunctionCommand({
  FunctionName: name, Runtime: runtime, Handler: "index.handler", Role: "arn:aws:iam::000000000000:role/js",
  Code: { ZipFile: one }, Environment: { Variables: { WHO: "js" } }, Tags: { a: "b" },
}));

const created = await create();
assert.equal(created.$metadata.httpStatusCode, 201);
assert.equal(created.State, "Pending");
assert.equal(created.LoggingConfig.LogGroup, `/aws/lambda/${name}`);
await waitUntilFunctionActiveV2(wait, { FunctionName: name });

const got = await client.send(new GetFunctionCommand({ FunctionName: name }));
assert.equal(got.Configuration.CodeSize, one.length);
assert.deepEqual(got.Tags, { a: "b" });
const download = await fetch(got.Code.Location);
assert.equal(Buffer.compare(Buffer.from(await download.arrayBuffer()), one), 0);

const answer = await client.send(new InvokeCommand({
  FunctionName: name, Payload: JSON.stringify({ n: 1 }), LogType: "Tail",
}));
assert.equal(answer.FunctionError, undefined);
assert.equal(answer.ExecutedVersion, "$LATEST");
assert.deepEqual(JSON.parse(text(answer.Payload)), { who: "js", event: { n: 1 }, code: 1 });
assert.match(Buffer.from(answer.LogResult, "base64").toString(), /^REPORT RequestId: /m);

await client.send(new UpdateFunctionCodeCommand({ FunctionName: name, ZipFile: two }));
await waitUntilFunctionUpdatedV2(wait, { FunctionName: name });
await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: name, Timeout: 8 }));
await waitUntilFunctionUpdatedV2(wait, { FunctionName: name });
const second = await client.send(new InvokeCommand({ FunctionName: name }));
assert.equal(JSON.parse(text(second.Payload)).code, 2);

const published = await client.send(new PublishVersionCommand({ FunctionName: name }));
assert.equal(published.Version, "1");
const versions = await client.send(new ListVersionsByFunctionCommand({ FunctionName: name }));
assert.deepEqual(versions.Versions.map((v) => v.Version), ["$LATEST", "1"]);
let found = 0;
for await (const page of paginateListFunctions({ client, pageSize: 2 }, {}))
  found += page.Functions.filter((f) => f.FunctionName === name).length;
assert.equal(found, 1);
assert.ok((await client.send(new ListFunctionsCommand({ MaxItems: 1 }))).Functions.length <= 1);

await assert.rejects(create(), (error) => error instanceof ResourceConflictException
  && error.message === `Function already exist: ${name}` && error.$metadata.httpStatusCode === 409);
await client.send(new DeleteFunctionCommand({ FunctionName: name }));
await assert.rejects(client.send(new GetFunctionCommand({ FunctionName: name })),
  (error) => error instanceof ResourceNotFoundException
    && error.message === `Function not found: arn:aws:lambda:us-east-1:000000000000:function:${name}`);
console.log(JSON.stringify({ ok: true, requestId: answer.$metadata.requestId }));
