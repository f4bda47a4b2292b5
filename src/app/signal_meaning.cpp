#include "app/signal_meaning.hpp"

namespace yoda {

SignalMeaning SignalMeanings::on(TimePoint now, CaughtSignal const& caught, bool is_draining)
{
    if (caught.ends_now) return SignalMeaning::end;
    if (first_ && now - *first_ <= Duration{signal_repeat_ns}) return SignalMeaning::repeat;
    if (!first_) first_ = now;
    return is_draining ? SignalMeaning::hurry : SignalMeaning::drain;
}

}  // namespace yoda
