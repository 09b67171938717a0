// Copies a topic in transactions that commit the group's offsets as well, and fences a producer, with kafkajs.
'use strict';
const assert = require('assert');
const { Kafka, logLevel } = require('kafkajs');

const [bootstrap, countText] = process.argv.slice(2);
const count = Number(countText);
const kafka = new Kafka({ clientId: 'compat', brokers: [bootstrap], logLevel: logLevel.NOTHING });
const source = 'node-source', target = 'node-target', groupId = 'node-copiers', partitions = 3;

function transactionalProducer(transactionalId) {
  return kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true });
}

async function fill() {
  const producer = transactionalProducer('node-source');
  await producer.connect();
  for (const outcome of ['abort', 'commit']) {
    const transaction = await producer.transaction();
    for (let from = 0; from < count; from += 500) {
      const messages = [];
      for (let i = from; i < Math.min(from + 500, count); i++) {
        messages.push({ partition: i % partitions, value: outcome === 'commit' ? String(i) : 'aborted' });
      }
      await transaction.send({ topic: source, messages });
    }
    await transaction[outcome]();
  }
  await producer.disconnect();
}

// Every batch is copied twice: aborted at first, then committed.
async function copy() {
  const producer = transactionalProducer('node-copier');
  await producer.connect();
  let copied = 0, done;
  const finished = new Promise((resolve) => { done = resolve; });
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics: [source], fromBeginning: true });
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      const offset = String(Number(batch.lastOffset()) + 1);
      for (const outcome of ['abort', 'commit']) {
        const transaction = await producer.transaction();
        const messages = batch.messages.map((one) => ({ partition: batch.partition, value: `${outcome} ${one.value}` }));
        await transaction.send({ topic: target, messages });
        await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: source,
          partitions: [{ partition: batch.partition, offset }] }] });
        await transaction[outcome]();
      }
      resolveOffset(batch.lastOffset());
      await heartbeat();
      copied += batch.messages.length;
      if (copied >= count) done();
    } });
  await finished;
  await consumer.disconnect();
  await producer.disconnect();
  assert.strictEqual(copied, count);
}

// All values of the copy, up to a last message that each partition has.
async function read(mark, readUncommitted) {
  const producer = kafka.producer();
  await producer.connect();
  const marks = Array.from({ length: partitions }, (_, partition) => ({ partition, value: mark }));
  await producer.send({ topic: target, messages: marks });
  await producer.disconnect();
  const values = [];
  let ended = 0, done;
  const finished = new Promise((resolve) => { done = resolve; });
  const consumer = kafka.consumer({ groupId: mark, readUncommitted });
  await consumer.connect();
  await consumer.subscribe({ topics: [target], fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => {
    const value = message.value.toString();
    if (value === mark) ended++;
    else if (!value.startsWith('mark')) values.push(value);
    if (ended === partitions) done();
  } });
  await finished;
  await consumer.disconnect();
  return values;
}

async function fence(admin) {
  const topic = 'node-fenced';
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: true });
  const [old, heir] = [transactionalProducer('node-fenced'), transactionalProducer('node-fenced')];
  await old.connect();
  const open = await old.transaction();
  await open.send({ topic, messages: [{ value: 'old' }] });
  await heir.connect();
  const next = await heir.transaction();
  await assert.rejects(open.commit(), /newer producer|old epoch/);
  await next.send({ topic, messages: [{ value: 'heir' }] });
  await next.commit();
  await old.disconnect();
  await heir.disconnect();
}

async function main() {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [source, target].map((topic) => ({ topic, numPartitions: partitions })), waitForLeaders: true });
  await fill();
  const fenced = fence(admin);
  await copy();
  await fenced;
  const wanted = Array.from({ length: count }, (_, i) => `commit ${i}`).sort();
  assert.deepStrictEqual((await read('mark-committed', false)).sort(), wanted);
  assert.strictEqual((await read('mark-all', true)).length, 2 * count);
  const [offsets] = await admin.fetchOffsets({ groupId, topics: [source] });
  const ends = await admin.fetchTopicOffsets(source);
  for (const { partition, offset } of offsets.partitions) {
    // The marker of the source's transaction is the last offset; whether it is committed depends on how the fetches were cut.
    const end = Number(ends.find((one) => one.partition === partition).high);
    assert.ok([end - 1, end].includes(Number(offset)), `${partition}: ${offset} of ${end}`);
  }
  await admin.disconnect();
  console.log(`kafkajs transactions done, ${count} records`);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
