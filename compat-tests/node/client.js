// Produces, consumes in a group that grows and shrinks, and administers topics with kafkajs.
'use strict';
const assert = require('assert');
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

const [bootstrap, countText] = process.argv.slice(2);
const count = Number(countText);
const kafka = new Kafka({ clientId: 'compat', brokers: [bootstrap], logLevel: logLevel.ERROR });
const topic = 'from-node';

async function administer(admin) {
  assert.strictEqual(await admin.createTopics({ topics: [{ topic, numPartitions: 4 }], waitForLeaders: true }), true);
  assert.strictEqual(await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] }), false);
  await admin.createPartitions({ topicPartitions: [{ topic, count: 6 }] });
  const described = await admin.fetchTopicMetadata({ topics: [topic] });
  assert.strictEqual(described.topics[0].partitions.length, 6);
  const cluster = await admin.describeCluster();
  assert.strictEqual(cluster.brokers.length, 1);
  assert.strictEqual(cluster.controller, 0);
  await admin.alterConfigs({ resources: [{ type: 2, name: topic,
    configEntries: [{ name: 'retention.ms', value: '99000' }] }] });
  for (;;) {
    const configs = await admin.describeConfigs({ resources: [{ type: 2, name: topic, configNames: ['retention.ms'] }] });
    if (configs.resources[0].configEntries[0].configValue === '99000') break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function produce() {
  for (const [name, compression] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
    const producer = kafka.producer({ idempotent: name === 'gzip', maxInFlightRequests: 1 });
    await producer.connect();
    for (let from = 0; from < count; from += 500) {
      const messages = [];
      for (let i = from; i < Math.min(from + 500, count); i++) {
        messages.push({ partition: i % 6, key: `${name}-${i}`, value: String(i), headers: { codec: name } });
      }
      await producer.send({ topic, messages, acks: -1, compression });
    }
    await producer.disconnect();
  }
}

async function consume(wanted) {
  const seen = new Map();
  let done;
  const finished = new Promise((resolve) => { done = resolve; });
  const member = async () => {
    const consumer = kafka.consumer({ groupId: 'node-group' });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ partitionsConsumedConcurrently: 2,
      eachMessage: async ({ message }) => {
        const key = message.key.toString();
        assert.strictEqual(key, `${message.headers.codec}-${message.value}`);
        seen.set(key, (seen.get(key) || 0) + 1);
        if (seen.size === wanted) done();
      } });
    return consumer;
  };
  const first = await member();
  const second = await member();
  await finished;
  await second.disconnect();
  await first.disconnect();
  return seen.size;
}

async function main() {
  const admin = kafka.admin();
  await admin.connect();
  await administer(admin);
  await produce();
  const total = await consume(2 * count);
  const offsets = await admin.fetchOffsets({ groupId: 'node-group', topics: [topic] });
  assert.strictEqual(offsets[0].partitions.reduce((sum, one) => sum + Number(one.offset), 0), 2 * count);
  const groups = await admin.listGroups();
  assert.ok(groups.groups.some((group) => group.groupId === 'node-group'));
  await admin.deleteGroups(['node-group']);
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  console.log(`kafkajs done, ${total} records`);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
