// SPDX-License-Identifier: Apache-2.0
// A world: rank 0, Droids, network, disk, payloads and faults, life after life until every range has ended.
// What breaks a promise is thrown as a Violation.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "chief.hpp"
#include "ledger.hpp"
#include "links.hpp"
#include "node.hpp"
#include "sim.hpp"

namespace yoda::sim {

struct Outcome {
    std::uint64_t range_count = 0;
    std::uint64_t finished_count = 0;
    std::uint64_t execution_count = 0;
    std::uint64_t event_count = 0;
    std::uint64_t crash_count = 0;  ///< recoveries tried on copies of the disk
    std::array<std::uint64_t, fault_kind_count> faults{};
    std::uint64_t payload_fault_count = 0;  ///< failures, hangs and deaths of workers and payloads
    unsigned life_count = 0;
    double last_finish_s = 0;
    bool operator==(Outcome const&) const = default;
    double virtual_s = 0;
};

class World {
  public:
    World(Plan const& plan, Trace* trace);
    ~World();
    /// Throws Violation.
    Outcome run();

  private:
    struct DroidProcess {
        std::unique_ptr<Link> up;
        std::unique_ptr<Link> down;
        std::unique_ptr<Node> node;
        ProcessId process = 0;
        Rank rank = 0;
        Life life = 0;
    };
    void handle(Event const& event);
    void take_frame(Event const& event);
    void begin_life();
    void end_life(bool all_die);
    void check_life();
    void do_fault(Fault const& fault);
    void do_due_fault();
    void do_note(std::size_t number);
    void lose_bundle(std::size_t number);
    void kill_droid(DroidProcess& droid, bool with_node, bool told);
    void kill_rank_zero();
    void kill_life(Life life);
    void watch();
    void check_revoked();
    void damage_journal(Fault const& fault);
    void try_crash();
    void check_poison() const;
    DroidProcess* find_droid(ProcessId process);
    std::vector<DroidProcess*> living();
    Duration watch_interval() const { return plan_.patience() * 0.05; }

    Plan const& plan_;
    Outcome outcome_;
    Sim sim_;
    Ledger ledger_;
    std::unique_ptr<Chief> chief_;
    std::vector<std::unique_ptr<DroidProcess>> droids_;  ///< of all lives; those of this life are the last
    std::size_t most_droids_ = 0;                        ///< that were there at once
    std::vector<DroidProcess*> by_process_;
    ProcessId next_process_ = 1;
    std::vector<InboxNote> inbox_;
    std::set<std::string> outbox_;
    std::size_t next_fault_ = 0;  ///< of those that come by progress
    unsigned lives_ = 0;
    unsigned lives_in_vain_ = 0;           ///< in a row, not counting those begun on a full disk
    std::uint64_t progress_of_lives_ = 0;  ///< when the last one began
    bool complete_ = false;
    bool cannot_begin_ = false;  ///< the journal could not be opened
    bool nothing_left_ = false;  ///< the last life has ended with every range ended
    bool closing_known_ = false;
    TimePoint life_end_ = TimePoint::never();
    TimePoint drain_begun_ = TimePoint::never();
    std::uint64_t last_progress_ = 0;
    TimePoint progress_at_;
    TimePoint trouble_until_;  ///< a fault that excuses slowness is on until then
    std::set<std::pair<ProcessId, RangeIndex>> running_in_vain_;  ///< at the last look
    std::uint64_t event_count_ = 0;
};

}  // namespace yoda::sim
