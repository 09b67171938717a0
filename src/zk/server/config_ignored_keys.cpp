// Keys that ZooKeeper knows and that have no effect here. Their values are checked. Most would change nothing on one server
// either, being those of ensembles, of the JVM, and of ZooKeeper's inner queues, caches and threads; those whose effect
// somebody would miss are named at the start, with what holds instead.
#include "zk/server/config_keys.h"

namespace zk::server {

namespace {

using Config = ZooKeeperServerConfig;

void ignored_number(Config&, const std::string& key, const ConfigEntry& entry) {
  number_value(key, entry, INT64_MIN, INT64_MAX);
}

void ignored_boolean(Config&, const std::string& key, const ConfigEntry& entry) { boolean_value(key, entry); }

void ignored_text(Config&, const std::string&, const ConfigEntry&) {}

void check_peer_type(Config&, const std::string& key, const ConfigEntry& entry) {
  choice_value(key, entry, {"participant", "observer"});
}

void check_election(Config&, const std::string& key, const ConfigEntry& entry) { number_value(key, entry, 3, 3); }

// A value that ZooKeeper would do something else with: one that isn't its default.
void warn(Config& config, const std::string& key, const ConfigEntry& entry, const char* instead) {
  config.warnings.push_back(key + "=" + trimmed(entry.value) + " has no effect here: " + instead);
}

ConfigSetter missed_switch(bool by_default, const char* instead) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    if (boolean_value(key, entry) != by_default) warn(config, key, entry, instead);
  };
}

ConfigSetter missed_delay(const char* instead) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    if (number_value(key, entry, INT64_MIN, INT64_MAX) > 0) warn(config, key, entry, instead);
  };
}

// The name of a class of ZooKeeper's, of which these do as we do.
ConfigSetter missed_class(std::initializer_list<const char*> same, const char* instead) {
  const std::set<std::string> known(same.begin(), same.end());
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    const std::string name = trimmed(entry.value);
    if (!name.empty() && !known.contains(name)) warn(config, key, entry, instead);
  };
}

void check_http_version(Config& config, const std::string& key, const ConfigEntry& entry) {
  constexpr std::int64_t kHttp11 = 11;  // Jetty's number for it
  if (number_value(key, entry, INT64_MIN, INT64_MAX) != kHttp11) warn(config, key, entry, "HTTP/1.1 is spoken");
}

void add_missed_keys(ConfigKeys& keys) {
  keys["audit.impl.class"] = missed_class({"org.apache.zookeeper.audit.Slf4jAuditLogger"},
                                          "audit.enable writes the audit log to Milena's log");
  keys["closeSessionTxn.enabled"] =
      missed_switch(true, "the end of a session is logged with the paths that it deletes, as ZooKeeper 3.6 and later do");
  keys["connection_throttle_freeze_time"] =
      missed_delay("new connections are refused once the tokens are used up, and none before by chance");
  keys["connection_throttle_weight_enabled"] = missed_switch(false, "every connection takes one token");
  keys["db.autocreate"] = missed_switch(true, "an empty dataDir is always taken for that of a new server");
  keys["pathStats.enabled"] =
      missed_switch(false, "read_per_namespace and write_per_namespace of the metrics say what is read and written where");
  keys["jvm.pause.monitor"] = missed_switch(false, "there is no JVM that could pause");
  keys["flushDelay"] = missed_delay("how long writes wait for others to share a sync with is measured");
  keys["admin.httpVersion"] = check_http_version;
  keys["watchManagerName"] = missed_class({"org.apache.zookeeper.server.watch.WatchManager"},
                                          "watches are kept as WatchManager does, with all of their modes");
  keys["serverCnxnFactory"] = missed_class(
      {"org.apache.zookeeper.server.NIOServerCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory"},
      "connections are Milena's own");
}

constexpr const char* kIgnoredNumbers[] = {"initLimit", "syncLimit", "connectToLearnerMasterLimit", "observerMasterPort",
    "maxResponseCacheSize", "maxGetChildrenResponseCacheSize", "jvm.pause.warn-threshold.ms", "jvm.pause.info-threshold.ms",
    "jvm.pause.sleep.time.ms", "multiAddress.reachabilityCheckTimeoutMs", "quorum.cnxn.threads.size", "cnxTimeout",
    "quorumCnxnTimeoutMs", "commitLogCount", "maxBatchSize", "maxWriteQueuePollTime", "nio.numSelectorThreads",
    "nio.numWorkerThreads", "nio.directBufferBytes", "nio.shutdownTimeout", "commitProcessor.numWorkerThreads",
    "commitProcessor.shutdownTimeout", "commitProcessor.maxReadBatchSize", "commitProcessor.maxCommitBatchSize",
    "intBufferStartingSizeBytes", "request_throttle_stall_time", "request_throttler.shutdownTimeout",
    "watcherCleanThreshold", "watcherCleanIntervalInSeconds", "watcherCleanThreadsNum", "maxInProcessingDeadWatchers",
    "bitHashCacheSize", "fastleader.minNotificationInterval", "fastleader.maxNotificationInterval",
    "leader.maxConcurrentSnapSyncs", "leader.maxConcurrentDiffSyncs", "leaderConnectDelayDuringRetryMs",
    "observer.reconnectDelayMs", "electionPortBindRetry", "metricsProvider.numWorkerThreads", "metricsProvider.maxQueueSize",
    "metricsProvider.workerShutdownTimeoutMs"};
constexpr const char* kIgnoredBooleans[] = {"localSessionsEnabled", "localSessionsUpgradingEnabled", "standaloneEnabled",
    "syncEnabled", "quorumListenOnAllIPs", "multiAddress.enabled", "multiAddress.reachabilityCheckEnabled",
    "portUnification", "enableEagerACLCheck", "tcpKeepAlive", "learner.asyncSending", "learner.closeSocketAsync",
    "leader.closeSocketAsync", "messageTracker.Enabled", "metricsProvider.exportJvmInfo", "leaderServes",
    "jmx.log4j.disable", "forceSnapshotSync"};
constexpr const char* kIgnoredTexts[] = {"oraclePath", "quorum.auth.kerberos.servicePrincipal", "snapshotSizeFactor",
    "connection_throttle_drop_increase", "connection_throttle_drop_decrease", "connection_throttle_decrease_ratio",
    "connection_throttle_global_session_weight", "connection_throttle_local_session_weight",
    "connection_throttle_renew_session_weight", "jmx.log4j.mbean"};

}  // namespace

void add_ignored_keys(ConfigKeys& keys) {
  for (const char* key : kIgnoredNumbers) keys[key] = ignored_number;
  for (const char* key : kIgnoredBooleans) keys[key] = ignored_boolean;
  for (const char* key : kIgnoredTexts) keys[key] = ignored_text;
  add_missed_keys(keys);
  keys["peerType"] = check_peer_type;
  keys["electionAlg"] = check_election;
}

}  // namespace zk::server
