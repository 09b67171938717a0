// Topics and partitions as controller: reads them at election, creates, grows and deletes them, elects leaders, reacts
// to znodes that other tools wrote. All on the control thread, one job at a time. Failures of the session or the fence
// end a job with ControlLost; whoever runs the jobs starts over with load().
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/controller/control_context.h"
#include "broker/controller/leadership.h"
#include "broker/controller/stored_configs.h"

namespace broker::controller {

// Is told of the answers as they will be, once what was asked for is written: it can't be taken back from here on, but isn't to be
// seen yet. At most once, and not where nothing was written. May be empty.
template <class T>
using Begun = std::function<void(T so_far)>;

struct Elected : Outcome {
  std::int32_t leader = -1;  // who is to lead where there is no error
};

class TopicManager {
 public:
  TopicManager(ControlContext& context, StoredConfigs& configs) : context_(context), configs_(configs) {}

  // ---- events
  base::Task<void> load();                           // just elected: reads everything, sets all watches
  base::Task<void> brokers_changed();                // children of /brokers/ids
  base::Task<void> topics_changed();                 // children of /brokers/topics
  base::Task<void> topic_changed(std::string name);  // data of /brokers/topics/<name>
  base::Task<void> deletions_changed();              // children of /admin/delete_topics
  base::Task<void> preferred_election_requested();   // /admin/preferred_replica_election
  base::Task<void> refuse_stored_reassignment();     // /admin/reassign_partitions: stays, and the log says so
  base::Task<void> log_dir_events_changed();         // children of /log_dir_event_notification
  base::Task<void> elect_where_unclean_is_allowed();  // it may be of late: unclean.leader.election.enable acts at once
  void step_down();                                  // not controller any more
  bool unclean_allowed(const std::string& topic) const;

  // ---- requests; the order of the answers is that of the questions
  base::Task<std::vector<TopicCreated>> create(std::vector<NewTopic> topics, bool validate_only,
                                               Begun<std::vector<TopicCreated>> begun);
  base::Task<std::vector<Outcome>> remove(std::vector<std::string> topics, Begun<std::vector<Outcome>> begun);
  base::Task<std::vector<Outcome>> grow(std::vector<NewPartitions> topics, bool validate_only,
                                        Begun<std::vector<Outcome>> begun);
  base::Task<std::map<TopicPartition, Elected>> elect_leaders(std::vector<TopicPartition> partitions, Election kind,
                                                              Begun<std::map<TopicPartition, Elected>> begun);

 private:
  struct Change {
    TopicPartition which;
    PartitionState next;
  };

  base::Task<void> read_brokers();
  base::Task<void> read_topics(std::vector<std::string> names);
  // Of what has rules that forbid this broker to read it.
  void keep_unread(const std::string& topic);
  void keep_unread(const TopicPartition& which, KnownPartition& partition);
  // The id that a topic has here; zero if it is unknown.
  base::Uuid id_of(const std::string& name) const;
  base::Task<void> write_missing_ids(std::vector<std::string> names);
  base::Task<void> read_states(std::vector<TopicPartition> partitions);
  base::Task<void> watch_topics();
  // Brings partitions to what their replicas allow: first states, new leaders; then leads those that are ours.
  base::Task<void> settle(std::vector<TopicPartition> partitions);
  base::Task<void> write_first_states(std::vector<Change> changes);
  base::Task<void> write_first_state_stepwise(Change change);
  base::Task<void> write_states(std::vector<Change> changes);
  // Answers those whose disk failed: this broker is no living replica of theirs any more.
  std::vector<TopicPartition> lead(const std::vector<TopicPartition>& partitions,
                                   const std::set<TopicPartition>& fresh);
  // Takes partitions from this broker, but keeps their logs.
  void stop_leading(const std::vector<metadata::PartitionName>& partitions);
  void stop_what_is_not_ours();
  base::Task<void> elect_others(std::vector<TopicPartition> partitions);
  base::Task<void> remove_log_dir_events(std::vector<std::string> names);
  base::Task<void> clear_preferred_election();

  base::Task<std::vector<TopicCreated>> write_topics(std::vector<NewTopic> topics, std::vector<TopicPlan> plans,
                                                     Begun<std::vector<TopicCreated>> begun);
  base::Task<Outcome> overwrite_stale_config(NewTopic topic, std::string assignment);
  base::Task<void> complete_deletions(std::vector<std::string> names);
  base::Task<bool> delete_tree(std::string path);  // whether all of it could be seen

  TopicRulesView rules_view() const;
  std::vector<AssignableBroker> assignable_brokers() const;
  IsAlive is_alive(const TopicPartition& partition) const;
  std::vector<TopicPartition> all_partitions() const;

  ControlContext& context_;
  StoredConfigs& configs_;
  // What was known of topics before load() reads all anew, empty after it: of those that we may not read it stays.
  std::map<std::string, KnownTopic> before_;
  std::set<std::string> forbidden_;  // topics that we may not read; told of once
  // The topic ids of what this broker leads, also while it isn't controller and the picture is empty or being read.
  std::map<TopicPartition, base::Uuid> led_;
};

}  // namespace broker::controller
