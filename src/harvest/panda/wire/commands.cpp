// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/commands.hpp"

namespace yoda {

PandaCommands parse_commands(std::string_view text)
{
    PandaCommands commands;
    while (!text.empty()) {
        auto const comma = text.find(',');
        auto word = text.substr(0, comma);
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
        while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
        while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
        if (word.empty() || word == "NULL" || word == "None") continue;
        if (word == "tobekilled")
            commands.to_be_killed = true;
        else if (word == "softkill")
            commands.soft_kill = true;
        else if (word == "debug")
            commands.debug = true;
        else if (word == "debugoff")
            commands.debug_off = true;
        else if (word == "badattemptnr")
            commands.bad_attempt = true;
        else if (word == "alreadydone")
            commands.already_done = true;
        else
            commands.others.emplace_back(word);
    }
    return commands;
}

}  // namespace yoda
