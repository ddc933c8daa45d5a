/* The Node.js runtime: `node /var/runtime/bootstrap.cjs FD [wait]`, FD being the frames socket
 * (docs/PROTOCOL.md, section 1). Loads the handler, then answers INVOKE frames until the socket
 * closes.
 *
 * What a handler sees follows AWS's open-source runtime interface client, which comes in two
 * generations: up to nodejs22.x with callbacks (a reply waits until the event loop is empty), from
 * nodejs24.x on without. The runtime's identifier decides, not the interpreter's version.
 *
 * The event loop is the heart of it. While we wait for an event, the socket keeps the loop alive, so
 * that background work goes on. While a handler runs, the socket is unref'd, so that 'beforeExit'
 * tells when nothing of the user's is left: the moment for callbackWaitsForEmptyEventLoop, and for
 * noticing a promise that will never settle.
 *
 * CommonJS, since that starts faster; user code may be either. Modules that only some functions need
 * are required where they are needed.
 */
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const util = require('node:util');

const INVOKE = 1, NEXT = 2, RESPONSE = 3, ERROR = 4, INIT_ERROR = 5, ASSIGN = 6, PREPARED = 7;
const HEADER_LEN = 8;
const RESPONSE_MAX = 6 * 1024 * 1024 + 100;
const FRAME_MAX = RESPONSE_MAX + 65536;
const TYPE_MAX = 1024; /* of what stands beside a body: a frame has only so much room for it */
const READ_LEN = 64 * 1024;
const EXIT_UNCAUGHT = 129, EXIT_REJECTION = 128, EXIT_UNSETTLED = 13;

const env = process.env;
const framesFd = Number(process.argv[2]);

/* A generic start: what every function needs is loaded and practised, then we sleep in a read until we
 * are told which function we are. */
function readExactly(length) {
  const data = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const n = fs.readSync(framesFd, data, at, length - at, null);
    if (n === 0)
      process.exit(0); /* never needed */
    at += n;
  }
  return data;
}

/* The first time of anything is the slow one: modules are loaded, the ES module loader builds itself,
 * functions are compiled. */
async function prepare() {
  require('node:net');
  require('node:stream');
  const url = require('node:url').pathToFileURL(path.join(__dirname, 'practice.mjs'));
  const practice = await import(url.href);
  const own = require('node:module').createRequire(url);
  own.resolve('./practice.mjs');
  fs.existsSync(__dirname);
  JSON.parse(JSON.stringify(await practice.handler({ a: [1, 2.5, null, true, 'text\u00e9'] })));
  waitForAssignment();
}

function waitForAssignment() {
  fs.writeSync(framesFd, Buffer.from([0, 0, 0, 0, PREPARED, 0, 0, 0]));
  const head = readExactly(HEADER_LEN);
  if (head[4] !== ASSIGN)
    process.exit(1);
  const body = readExactly(head.readUInt32LE(0));
  for (const name of Object.keys(env))
    delete env[name];
  for (let at = 0; at < body.length;) {
    const end = at + 4 + body.readUInt32LE(at);
    const text = body.toString('utf8', at + 4, end);
    const equals = text.indexOf('=');
    env[text.slice(0, equals)] = text.slice(equals + 1);
    at = end;
  }
  process.argv.length = 3;
  process.chdir(env.LAMBDA_TASK_ROOT ?? '/var/task'); /* it was mounted meanwhile */
}

/* What depends on the function, set by identify(). */
let generation; /* of the runtime: 20 for nodejs20.x */
let callbacks;  /* the older generations have them */
let jsonLogs;
let environment;

/* ---- errors ---- */

class ImportModuleError extends Error {}
class HandlerNotFound extends Error {}
class MalformedHandlerName extends Error {}
class MalformedStreamingHandler extends Error {}
class InvalidStreamingOperation extends Error {}
class CallbackHandlerDeprecated extends Error {}
class JSONStringifyError extends Error {}
class NodeJsExit extends Error {}
class UserCodeSyntaxError extends Error {
  constructor(cause) {
    super(String(cause));
    this.stack = cause.stack; /* names the user's file and line */
  }
}
class UnhandledPromiseRejection extends Error {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}
for (const kind of [ImportModuleError, HandlerNotFound, MalformedHandlerName,
  MalformedStreamingHandler, InvalidStreamingOperation, CallbackHandlerDeprecated,
  JSONStringifyError, NodeJsExit, UserCodeSyntaxError, UnhandledPromiseRejection]) {
  kind.prototype.name = `Runtime.${kind.name}`;
}

const NODEJS_EXIT =
  'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly ' +
  'caused by a Promise that was never settled. For more information, see ' +
  'https://nodejs.org/docs/latest/api/process.html#exit-codes';
const CALLBACKS_GONE =
  'ERROR: AWS Lambda has removed support for callback-based function handlers starting with ' +
  'Node.js 24. You need to modify this function to use a supported handler signature to use ' +
  'Node.js 24 or later. For more information see ' +
  'https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';
const STRINGIFY_FAILED = 'Unable to stringify response body';

function looksLikeError(value) {
  return util.types.isNativeError(value) ||
    (value && typeof value.name === 'string' && value.name !== '' &&
      typeof value.message === 'string' && value.message !== '' &&
      typeof value.stack === 'string' && value.stack !== '');
}

/* The error's body on the wire. DEL may not stand in the header that AWS sends the type in. */
function describe(error) {
  const clean = (text) => text.replaceAll('\x7F', '%7F');
  try {
    if (looksLikeError(error)) {
      return {
        errorType: clean(error.name),
        errorMessage: clean(error.message),
        trace: clean(error.stack).split('\n'),
      };
    }
    return {
      errorType: typeof error,
      errorMessage: callbacks ? error.toString() : String(error),
      trace: [],
    };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or ' +
        'more of its message, name, and stack',
      trace: callbacks ? undefined : [],
    };
  }
}

function asError(value) {
  return value instanceof Error ? value : new Error(callbacks ? value : String(value));
}

/* For the log: with the members that are not enumerable, and whatever the user added. */
function toLogText(error) {
  const expand = (_key, value) => {
    if (!(value instanceof Error))
      return value;
    const all = Object.assign(
      { errorType: value.name, errorMessage: value.message, code: value.code }, value);
    if (typeof value.stack === 'string')
      all.stack = value.stack.split('\n');
    return all;
  };
  try {
    return '\t' + JSON.stringify(error, expand);
  } catch {
    return '\t' + JSON.stringify(describe(error));
  }
}

/* ---- logs ---- */

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const FRAME_TEXT = 0xa55a0003, FRAME_JSON = 0xa55a0002;
/* Other parts of AWS's runtime look the request id up under this name. */
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
let tenantId;

function writeAll(fd, data) {
  let sent = 0;
  while (sent < data.length) {
    try {
      sent += fs.writeSync(fd, data, sent);
    } catch (error) {
      if (error.code !== 'EAGAIN')
        throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); /* the reader is behind */
    }
  }
}

function logWriter() {
  const fd = env._LAMBDA_TELEMETRY_LOG_FD;
  delete env._LAMBDA_TELEMETRY_LOG_FD;
  if (fd === undefined) /* one line an event: inner line ends become carriage returns */
    return (level, _now, text) => process.stdout.write(text.replace(/\n/g, '\r') + '\n');
  const number = Number(fd);
  const type = jsonLogs ? FRAME_JSON : FRAME_TEXT;
  const end = jsonLogs ? '' : '\n';
  return (level, now, text) => {
    text += end;
    const length = Buffer.byteLength(text);
    const data = Buffer.allocUnsafe(16 + length);
    data.writeUInt32BE((type | (LEVELS[level] << 2)) >>> 0, 0);
    data.writeUInt32BE(length, 4);
    data.writeBigUInt64BE(BigInt(now.getTime()) * 1000n, 8);
    data.write(text, 16);
    writeAll(number, data);
  };
}

function errorMembers(error) {
  return {
    errorType: error.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : error.stack,
  };
}

function jsonLine(time, level, parameters) {
  const line = { timestamp: time, level, requestId: globalThis[REQUEST_ID] };
  if (tenantId)
    line.tenantId = tenantId;
  if (parameters.length === 1) {
    line.message = parameters[0];
    try {
      return JSON.stringify(line, (_key, value) =>
        (value instanceof Error ? Object.assign(errorMembers(value), value) : value));
    } catch { /* circular, or a BigInt */
      line.message = util.format(parameters[0]);
      return JSON.stringify(line);
    }
  }
  line.message = util.format(...parameters);
  const error = parameters.find((value) => value instanceof Error);
  if (error) {
    Object.assign(line, errorMembers(error));
    if (!Array.isArray(line.stackTrace))
      line.stackTrace = [];
  }
  return JSON.stringify(line);
}

function patchConsole() {
  const write = logWriter();
  const lowest = LEVELS[env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
  const method = (level) => {
    if (LEVELS[level] < lowest)
      return () => {};
    return (message, ...more) => {
      const now = new Date();
      const time = now.toISOString();
      write(level, now, jsonLogs ? jsonLine(time, level, [message, ...more])
        : `${time}\t${globalThis[REQUEST_ID]}\t${level}\t${util.format(message, ...more)}`);
    };
  };
  for (const level of Object.keys(LEVELS))
    console[level.toLowerCase()] = method(level);
  console.log = console.info;
}

function logError(what, error) {
  if (jsonLogs)
    console.error(asError(error));
  else
    console.error(what, toLogText(asError(error)));
}

/* ---- frames ---- */

let socket; /* opened with the first NEXT */
const NEXT_FRAME = Buffer.from([0, 0, 0, 0, NEXT, 0, 0, 0]);

/* One buffer: header, fields, payload, and a NEXT behind it if asked for. */
function frame(type, fields, payload, next) {
  const isText = typeof payload === 'string';
  const payloadLen = isText ? Buffer.byteLength(payload) : payload.length;
  let length = payloadLen;
  for (const field of fields)
    length += 4 + Buffer.byteLength(field);
  const data = Buffer.allocUnsafe(HEADER_LEN + length + (next ? HEADER_LEN : 0));
  data.writeUInt32LE(length, 0);
  data.writeUInt32LE(type, 4);
  let at = HEADER_LEN;
  for (const field of fields) {
    const fieldLen = data.write(field, at + 4);
    data.writeUInt32LE(fieldLen, at);
    at += 4 + fieldLen;
  }
  if (isText)
    data.write(payload, at);
  else
    data.set(payload, at);
  if (next)
    data.set(NEXT_FRAME, at + payloadLen);
  return data;
}

function openSocket() {
  const net = require('node:net');
  let held = []; /* chunks of a frame that hasn't arrived whole */
  let heldLen = 0;
  let wanted = HEADER_LEN;

  const onRead = (count, buffer) => {
    let chunk = buffer.subarray(0, count);
    if (heldLen > 0 || count < HEADER_LEN) {
      held.push(Buffer.from(chunk));
      heldLen += count;
      if (heldLen < wanted)
        return true;
      chunk = Buffer.concat(held, heldLen);
    }
    if (chunk.length < HEADER_LEN)
      return true;
    wanted = HEADER_LEN + chunk.readUInt32LE(0);
    if (wanted > HEADER_LEN + FRAME_MAX)
      throw new Error(`frame of ${wanted} bytes`);
    if (chunk.length < wanted) {
      if (heldLen === 0)
        held.push(Buffer.from(chunk));
      else
        held = [chunk];
      heldLen = chunk.length;
      return true;
    }
    held = [];
    heldLen = 0;
    wanted = HEADER_LEN;
    onFrame(chunk);
    return true;
  };
  socket = new net.Socket({
    fd: framesFd, readable: true, writable: true,
    onread: { buffer: Buffer.allocUnsafeSlow(READ_LEN), callback: onRead },
  });
  const onGone = () => process.exit(0); /* the daemon is done with us */
  socket.on('end', onGone);
  socket.on('close', onGone);
  socket.on('error', onGone);
}

/* ---- the invocation that is running ---- */

let current = null; /* null: none; the daemon owes us an INVOKE */
let onIdle = null; /* what to do when the event loop is empty */
let onFrame; /* set by serve() */

function waitForNext(alreadySent) {
  current = null;
  onIdle = null;
  if (!alreadySent)
    socket.write(NEXT_FRAME);
  socket.ref();
}

function answer(invocation, data, done) {
  if (invocation !== current || invocation.answered) {
    if (done)
      done();
    return;
  }
  invocation.answered = true;
  if (done)
    socket.ref();
  socket.write(data, done);
}

/* [type, body] of an ERROR or INIT_ERROR frame. */
function errorFields(error) {
  const body = describe(error);
  const text = JSON.stringify(body);
  const size = Buffer.byteLength(text);
  return size > RESPONSE_MAX ? tooLarge(size) : [body.errorType.substring(0, TYPE_MAX), text];
}

function tooLarge(size) {
  const errorType = 'Function.ResponseSizeTooLarge';
  return [errorType, JSON.stringify({ errorType,
    errorMessage: `Response payload size (${size} bytes) exceeded maximum allowed payload size ` +
      `(${RESPONSE_MAX} bytes).` })];
}

function answerError(invocation, error, next, done) {
  const [type, body] = errorFields(error);
  answer(invocation, frame(ERROR, [invocation.id, type], body, next), done);
}

function stringify(value) {
  try {
    return JSON.stringify(value === undefined ? null : value) ?? 'null';
  } catch {
    throw callbacks ? new Error(STRINGIFY_FAILED) : new JSONStringifyError(STRINGIFY_FAILED);
  }
}

function answerResult(invocation, payload, contentType, next) {
  const size = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  if (size > RESPONSE_MAX) {
    const [type, body] = tooLarge(size);
    answer(invocation, frame(ERROR, [invocation.id, type], body, next));
  } else {
    answer(invocation, frame(RESPONSE, [invocation.id, contentType], payload, next));
  }
}

function parseField(text, name) {
  if (text === '')
    return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error.toString()}`);
  }
}

function contextOf(invocation, base) {
  const clientContext = parseField(invocation.clientContext, 'ClientContext');
  let w3c = {};
  if (!callbacks && clientContext && typeof clientContext === 'object' && 'w3c' in clientContext) {
    const given = clientContext.w3c;
    delete clientContext.w3c;
    for (const name of ['traceparent', 'tracestate', 'baggage']) {
      if (typeof given?.[name] === 'string')
        w3c[name] = given[name];
    }
  }
  const deadline = invocation.deadline;
  Object.assign(base, environment, {
    clientContext,
    identity: parseField(invocation.identity, 'CognitoIdentity'),
    invokedFunctionArn: invocation.arn,
    awsRequestId: invocation.id,
    tenantId: invocation.tenant === '' ? undefined : invocation.tenant,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  });
  if (!callbacks) {
    base.xRayTraceId = invocation.trace === '' ? undefined : invocation.trace;
    base.w3c = () => w3c;
  }
  return base;
}

function isPromise(value) {
  return value && typeof value.then === 'function';
}

/* Up to nodejs22.x: the first of callback, done, succeed, fail or a settled promise wins. */
function runWithCallbacks(invocation, handler, isAsync) {
  let waits = true;
  let finished = false;

  const fail = (error) => {
    logError('Invoke Error', error);
    answerError(invocation, error, true);
    if (invocation === current)
      waitForNext(true);
  };
  const complete = (result) => {
    const text = stringify(result);
    answerResult(invocation, text, '', true);
    if (invocation === current)
      waitForNext(true);
  };
  const settle = (error, result) => {
    onIdle = null;
    if (error !== undefined && error !== null)
      fail(error);
    else
      complete(result);
  };
  /* A result that can't be sent throws out of `fn` and leaves the way open for an error. */
  const first = (fn) => (...parameters) => {
    if (finished || invocation !== current)
      return;
    fn(...parameters);
    finished = true;
  };
  const callback = first((error, result) => {
    if (!waits || (error !== undefined && error !== null)) {
      settle(error, result);
    } else {
      onIdle = () => setImmediate(() => complete(result));
    }
  });
  const succeed = first((result) => settle(null, result));
  const failOnce = first((error) => settle(error === undefined || error === null ? 'handled' : error));
  const done = first(settle);

  onIdle = () => {
    finished = true;
    if (isAsync)
      fail(new NodeJsExit(NODEJS_EXIT));
    else
      complete(null); /* nobody called back */
  };
  try {
    const context = contextOf(invocation, {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
      succeed, fail: failOnce, done,
    });
    const result = handler(JSON.parse(invocation.takeEvent()), context, callback);
    if (isPromise(result))
      result.then(succeed, failOnce).catch(failOnce);
  } catch (error) {
    callback(error);
  }
}

/* From nodejs24.x on: whatever the handler returns or its promise resolves to. */
async function runWithPromises(invocation, handler) {
  onIdle = () => {
    logError('Invoke Error', new NodeJsExit(NODEJS_EXIT));
    answerError(invocation, new NodeJsExit(NODEJS_EXIT), true);
    waitForNext(true);
  };
  try {
    const context = contextOf(invocation, {});
    const result = await handler(JSON.parse(invocation.takeEvent()), context);
    await new Promise(setImmediate); /* an unhandled rejection is to be told first */
    if (invocation !== current)
      return;
    answerResult(invocation, stringify(result), '', true);
  } catch (error) {
    await new Promise(setImmediate);
    if (invocation !== current)
      return;
    logError('Invoke Error', error);
    answerError(invocation, error, true);
  }
  waitForNext(true);
}

/* Response streaming. For now the stream is collected and sent as one RESPONSE when it ends: frames
 * have no piecewise answer yet. Handlers can't tell the difference, but for time to first byte. */
async function runStreaming(invocation, handler, highWaterMark) {
  const { Writable } = require('node:stream');
  const chunks = [];
  let contentType = 'application/octet-stream';
  let started = false;
  let waits = true;

  const stream = new Writable({
    decodeStrings: true,
    highWaterMark,
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      setImmediate(done); /* not in the same turn, as a socket's drain wouldn't be either */
    },
  });
  stream.on('error', () => {}); /* reported through the handler's promise */
  stream.setContentType = (type) => {
    if (started)
      throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    contentType = String(type).substring(0, TYPE_MAX);
  };
  const write = stream.write.bind(stream);
  stream.write = (chunk, ...more) => {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array))
      chunk = JSON.stringify(chunk);
    if (!started) {
      started = true;
      if (typeof stream._onBeforeFirstWrite === 'function')
        stream._onBeforeFirstWrite((data) => write(data));
    }
    return write(chunk, ...more);
  };
  const end = stream.end.bind(stream);
  stream.end = (chunk, ...more) => {
    if (typeof chunk === 'function')
      return end(chunk);
    if (chunk !== undefined && chunk !== null)
      stream.write(chunk, ...more.filter((value) => typeof value === 'string'));
    return end(more.find((value) => typeof value === 'function'));
  };
  const finished = new Promise((resolve) => stream.once('finish', resolve));

  const fail = (error) => {
    if (invocation !== current)
      return;
    logError('Invoke Error', error);
    answerError(invocation, error, true);
    waitForNext(true);
  };
  const plain = (text) => (callbacks ? text : new Error(text));

  onIdle = () => fail(plain('Response stream is not finished.'));
  try {
    const base = callbacks ? {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
    } : {};
    const result = handler(JSON.parse(invocation.takeEvent()), stream, contextOf(invocation, base));
    if (!isPromise(result)) {
      fail(plain('Streaming does not support non-async handlers.'));
      return;
    }
    if (await result !== undefined)
      console.warn('Streaming handlers ignore return values.');
    await finished;
    if (invocation !== current)
      return;
    const wait = callbacks && waits;
    answerResult(invocation, Buffer.concat(chunks), contentType, !wait);
    if (wait)
      onIdle = () => waitForNext(false);
    else
      waitForNext(true);
  } catch (error) {
    fail(error);
  }
}

const HttpResponseStream = {
  /* Puts the JSON prelude and eight NULs in front of the first write. */
  from(stream, prelude) {
    stream.setContentType('application/vnd.awslambda.http-integration-response');
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(new Uint8Array(8));
    };
    return stream;
  },
};

/* ---- loading the handler ---- */

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

function setGlobals() {
  if (['1', 'true'].includes(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA))
    return;
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (typeof options?.highWaterMark === 'number')
        handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark, 10);
      return handler;
    },
    HttpResponseStream,
  };
}

/* The nearest package.json decides; the search ends at a node_modules folder or the root. */
function isModuleFolder(folder) {
  if (folder.endsWith('/node_modules'))
    return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`,
        error);
      return false;
    }
  }
  return folder === '/' ? false : isModuleFolder(path.dirname(folder));
}

async function loadModule(root, folder, name) {
  /* From here, and not from our own file, so that error texts read as AWS's do. */
  const userRequire = require('node:module').createRequire('/var/runtime/index.mjs');
  const base = path.resolve(root, folder, name);
  const isModule = isModuleFolder(path.dirname(base));
  const withRequire = (extension) => [extension, userRequire];
  const withImport = (extension) => [extension,
    (file) => import(require('node:url').pathToFileURL(file).href)];

  const order = [withRequire(''), isModule ? withImport('.js') : withRequire('.js'),
    withImport('.mjs'), withRequire('.cjs')];
  if (generation >= 24) {
    order.push(isModule ? withImport('.ts') : withRequire('.ts'), withImport('.mts'),
      withRequire('.cts'));
  }
  for (const [extension, load] of order) {
    if (fs.existsSync(base + extension))
      return load(base + extension);
  }
  return userRequire(userRequire.resolve(name, { paths: [root, path.join(root, folder)] }));
}

async function loadHandler(root, text) {
  if (text.includes('..')) {
    throw new MalformedHandlerName(`'${text}' is not a valid handler name. Use absolute paths ` +
      'when specifying root directories in handler names.');
  }
  const last = path.basename(text);
  const folder = text.substring(0, text.indexOf(last));
  const dot = last.indexOf('.');
  if (dot < 0)
    throw new MalformedHandlerName('Bad handler');
  const name = last.substring(0, dot);
  const keys = last.substring(dot + 1).split('.');

  let loaded;
  try {
    loaded = await loadModule(root, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new UserCodeSyntaxError(error);
    if (error?.code === 'MODULE_NOT_FOUND')
      throw new ImportModuleError(error);
    throw error;
  }
  const find = (from) => keys.reduce((nested, key) => nested && nested[key], from);
  let handler = find(loaded);
  if (!handler && !callbacks)
    handler = find(loaded?.default);
  if (!handler)
    throw new HandlerNotFound(`${text} is undefined or not exported`);
  if (typeof handler !== 'function')
    throw new HandlerNotFound(`${text} is not a function`);

  const streaming = handler[STREAMING] ?? false;
  if (streaming !== false && streaming !== 'response')
    throw new MalformedStreamingHandler('Only response streaming is supported.');
  if (!callbacks && handler.length >= 3 && !streaming)
    throw new CallbackHandlerDeprecated(CALLBACKS_GONE);
  return handler;
}

/* ---- start ---- */

function readInvocation(data) {
  let at = HEADER_LEN + 8;
  const field = () => {
    const length = data.readUInt32LE(at);
    const text = data.toString('utf8', at + 4, at + 4 + length);
    at += 4 + length;
    return text;
  };
  const invocation = {
    answered: false,
    deadline: Number(data.readBigUInt64LE(HEADER_LEN)),
    id: field(),
    arn: field(),
    trace: field(),
    clientContext: field(),
    identity: field(),
    tenant: field(),
    event: '',
    takeEvent() { /* a large event isn't kept while the handler runs */
      const text = this.event;
      this.event = '';
      return text;
    },
  };
  invocation.event = data.toString('utf8', at, HEADER_LEN + data.readUInt32LE(0));
  return invocation;
}

function serve(handler) {
  const streaming = handler[STREAMING] === 'response';
  const mark = Number.parseInt(handler[HIGH_WATER_MARK], 10);
  const isAsync = handler.constructor?.name === 'AsyncFunction';

  onFrame = (data) => {
    if (data[4] !== INVOKE || current !== null)
      process.exit(1);
    const invocation = readInvocation(data);
    current = invocation;
    globalThis[REQUEST_ID] = invocation.id;
    tenantId = invocation.tenant;
    if (invocation.trace !== '')
      env._X_AMZN_TRACE_ID = invocation.trace;
    else
      delete env._X_AMZN_TRACE_ID;
    socket.unref();
    if (streaming)
      runStreaming(invocation, handler, Number.isNaN(mark) ? undefined : mark);
    else if (callbacks)
      runWithCallbacks(invocation, handler, isAsync);
    else
      runWithPromises(invocation, handler);
  };
  openSocket();
  waitForNext(false);
}

/* Both before and during an invocation: tell the daemon, then end with AWS's exit code. */
function die(what, error, code) {
  logError(what, error);
  if (!socket) {
    const [type, body] = errorFields(error);
    try {
      writeAll(framesFd, frame(INIT_ERROR, [type], body, false));
    } finally {
      process.exit(code);
    }
  }
  if (current === null)
    process.exit(code);
  answerError(current, error, false, () => process.exit(code));
}

function identify() {
  const id = /^AWS_Lambda_nodejs(\d+)/.exec(env.AWS_EXECUTION_ENV ?? '');
  generation = Number(id ? id[1] : process.versions.node.split('.')[0]);
  callbacks = generation < 24;
  jsonLogs = env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  environment = {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
}

function main() {
  identify();
  patchConsole();
  process.on('uncaughtException', (error) => die('Uncaught Exception', error, EXIT_UNCAUGHT));
  process.on('unhandledRejection', (reason, promise) =>
    die('Unhandled Promise Rejection', new UnhandledPromiseRejection(reason, promise),
      EXIT_REJECTION));
  process.on('beforeExit', () => {
    if (!socket)
      process.exit(EXIT_UNSETTLED); /* a top-level await that will never be over */
    const then = onIdle;
    onIdle = null;
    if (then)
      then();
  });
  setGlobals();
  loadHandler(env.LAMBDA_TASK_ROOT ?? '/var/task', env._HANDLER ?? '').then(serve)
    .catch((error) => die('Uncaught Exception', error, EXIT_UNCAUGHT));
}

if (process.argv[3] === 'wait')
  prepare().then(main);
else
  main();
