#include "sys/launcher.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace yoda {

namespace {

/// Nothing: it is not set, or is something else ("batch" as the step).
std::optional<std::int64_t> number_of(char const* name)
{
    char const* const text = std::getenv(name);
    if (text == nullptr) return std::nullopt;
    std::string_view const word(text);
    std::int64_t number = 0;
    auto const [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (code != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return number;
}

}  // namespace

bool launched_by_mpi()
{
    for (char const* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "PALS_RANKID"})
        if (std::getenv(name)) return true;
    return false;
}

bool is_first_rank()
{
    // Slurm's last: it says 0 in a batch script too, and mpirun's ranks on other nodes inherit its daemons'.
    for (char const* const name :
         {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PALS_RANKID", "SLURM_PROCID"})
        if (char const* const rank = std::getenv(name)) return std::string_view(rank) == "0";
    return true;
}

std::optional<std::string> find_lost_ranks()
{
    bool has_size = false;
    for (char const* const name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
        auto const size = number_of(name);
        if (size && *size > 1) return fmt::format("{} is {}", name, *size);
        has_size = has_size || size;
    }
    for (char const* const name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
        if (auto const rank = number_of(name); rank && *rank > 0) return fmt::format("{} is {}", name, *rank);
    if (has_size) return std::nullopt;
    auto const step = number_of("SLURM_STEP_ID");
    auto const task_count = step ? number_of("SLURM_STEP_NUM_TASKS") : std::nullopt;
    if (task_count && *task_count > 1)
        return fmt::format("SLURM_STEP_NUM_TASKS is {} in step {}", *task_count, *step);
    if (std::getenv("PALS_RANKID") && !task_count)
        return "PALS_RANKID is set, and no variable says how many ranks there are";
    return std::nullopt;
}

}  // namespace yoda
