// node-zookeeper-client on one server: argv = host:port. Prints what it saw, in words that don't depend on times and ids.
'use strict';
const zookeeper = require('node-zookeeper-client');

const HOSTS = process.argv[2];
const say = (...words) => console.log(...words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))));
const number = (buffer) => buffer.toString('hex');

function connect(path = '/node-js') {
  const client = zookeeper.createClient(HOSTS + path, {sessionTimeout: 20000, spinDelay: 50, retries: 3});
  return new Promise((resolve) => {
    client.once('connected', () => resolve(client));
    client.connect();
  });
}

// The outcome of a call with a callback at the end: its results, or the error's name.
function ask(client, method, ...args) {
  return new Promise((resolve) => {
    client[method](...args, (error, ...results) => resolve(error ? error.name || error.message : results));
  });
}

const stat = (it) => (it ? {version: it.version, cversion: it.cversion, aversion: it.aversion, length: it.dataLength,
  children: it.numChildren} : null);

function once() {
  let call;
  const promise = new Promise((resolve) => { call = (event) => resolve(`${event.getName()} ${event.getPath()}`); });
  return {promise, call};
}

async function nodes(client) {
  const mode = zookeeper.CreateMode;
  say(await ask(client, 'create', '/node', Buffer.from('data')));
  say(await ask(client, 'create', '/node'));
  say(await ask(client, 'create', '/node/s-', mode.PERSISTENT_SEQUENTIAL));
  say(await ask(client, 'create', '/node/e-', Buffer.from(''), mode.EPHEMERAL_SEQUENTIAL));
  say(await ask(client, 'create', '/node/e-0000000001/x', mode.PERSISTENT));
  say(await ask(client, 'create', '/none/x'));
  say(await ask(client, 'mkdirp', '/deep/er/and/deeper', Buffer.from('d')));
  const [data, first] = await ask(client, 'getData', '/node');
  say(data.toString(), stat(first), number(first.czxid) === number(first.mzxid));
  const [second] = await ask(client, 'setData', '/node', Buffer.from('more'), 0);
  say(stat(second), number(second.czxid) < number(second.mzxid));
  say(await ask(client, 'setData', '/node', Buffer.from('x'), 0));
  const [names, third] = await ask(client, 'getChildren', '/node');
  say(names.sort(), stat(third));
  say((await ask(client, 'exists', '/none')).map(stat), (await ask(client, 'exists', '/deep')).map(stat));
  say(await ask(client, 'remove', '/node'), await ask(client, 'remove', '/deep/er/and/deeper', 7));
  const [listed] = await ask(client, 'listSubTreeBFS', '/deep');
  say(listed.sort());
  say(await ask(client, 'removeRecursive', '/deep'), (await ask(client, 'exists', '/deep')).map(stat));
  const [large] = [await ask(client, 'create', '/large', Buffer.alloc(900000))];
  say(large, (await ask(client, 'getData', '/large'))[0].length, await ask(client, 'remove', '/large'));
}

async function access(client) {
  const owner = await connect();
  owner.addAuthInfo('digest', Buffer.from('me:secret'));
  say(await ask(owner, 'create', '/private', Buffer.from('p'), zookeeper.ACL.CREATOR_ALL_ACL, zookeeper.CreateMode.PERSISTENT));
  say(await ask(client, 'getData', '/private'), await ask(client, 'setACL', '/private', zookeeper.ACL.OPEN_ACL_UNSAFE, -1));
  const [acls, first] = await ask(owner, 'getACL', '/private');
  say(acls.map((acl) => [acl.permission, acl.id.scheme, acl.id.id]), stat(first));
  const [second] = await ask(owner, 'setACL', '/private', zookeeper.ACL.READ_ACL_UNSAFE, 0);
  say(stat(second), (await ask(client, 'getData', '/private'))[0].toString(), await ask(owner, 'setData', '/private', Buffer.from('q')));
  say(await ask(client, 'create', '/nobody', zookeeper.ACL.CREATOR_ALL_ACL));
  owner.close();
}

async function transactions(client) {
  const commit = (transaction) => new Promise((resolve) => {
    transaction.commit((error, results) => {
      const words = (results || []).map((one) => ({type: one.type, path: one.path, error: one.err, stat: stat(one.stat)}));
      resolve([error ? error.name : 'done', words]);
    });
  });
  say(await commit(client.transaction().create('/t', Buffer.from('1')).create('/t/c').setData('/t', Buffer.from('2'), 0)
    .check('/t', 1).remove('/t/c', -1)));
  say(await commit(client.transaction().create('/t/x').check('/t', 7).remove('/t')));
  say(await ask(client, 'getChildren', '/t').then((found) => found[0]));
}

async function watches(client) {
  const other = await connect();
  let watch = once();
  await ask(client, 'exists', '/watched', watch.call);
  await ask(other, 'create', '/watched');
  say(await watch.promise);
  watch = once();
  const below = once();
  await ask(client, 'getData', '/watched', watch.call);
  await ask(client, 'getChildren', '/watched', below.call);
  await ask(other, 'setData', '/watched', Buffer.from('1'));
  await ask(other, 'create', '/watched/child');
  say(await watch.promise, await below.promise);
  watch = once();
  await ask(client, 'getData', '/watched/child', watch.call);
  await ask(other, 'remove', '/watched/child');
  say(await watch.promise);
  other.close();
}

async function sessions(client) {
  const mine = await connect();
  const before = mine.getSessionId().toString('hex');
  say(await ask(mine, 'create', '/passing', zookeeper.CreateMode.EPHEMERAL));
  for (let round = 0; round < 2; round++) {
    const back = new Promise((resolve) => mine.once('connected', resolve));
    mine.connectionManager.socket.destroy();
    await back;
    const [found] = await ask(mine, 'exists', '/passing');
    say(found.ephemeralOwner.toString('hex') === before, mine.getSessionId().toString('hex') === before);
  }
  const gone = once();
  await ask(client, 'exists', '/passing', gone.call);
  mine.close();
  say(await gone.promise);
}

async function chroot(client) {
  await ask(client, 'create', '/jail');
  const inside = await connect('/node-js/jail');
  say(await ask(inside, 'create', '/cell', Buffer.from('c')));
  say((await ask(client, 'getData', '/jail/cell'))[0].toString());
  inside.close();
}

async function manyAtOnce(client) {
  const all = await Promise.all([...Array(500).keys()].map(async (i) => {
    const made = await ask(client, 'create', `/many-${i}`, Buffer.from(String(i)));
    const [data] = await ask(client, 'getData', `/many-${i}`);
    const removed = await ask(client, 'remove', `/many-${i}`);
    return made[0] === `/many-${i}` && data.toString() === String(i) && removed.length === 0;
  }));
  say(all.filter((good) => good).length);
}

async function main() {
  const root = await connect('');
  say(await ask(root, 'create', '/node-js'));
  root.close();
  const client = await connect();
  for (const part of [nodes, access, transactions, watches, sessions, chroot, manyAtOnce]) {
    say('== ' + part.name);
    await part(client);
  }
  client.close();
  say('node done');
}

main().catch((error) => {
  console.log('FAILED', error);
  process.exit(1);
});
