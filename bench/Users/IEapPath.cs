using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Users;

/// <summary>Is given what came of a word, and the EAP message for the peer.</summary>
internal delegate void EapAnswered(EapOutcome outcome, ReadOnlySpan<byte> eap);

/// <summary>A way from an EAP peer to the RADIUS server. One thread.</summary>
internal interface IEapPath : IDisposable
{
    /// <summary>Passes a peer's word on; the answer comes in some later turn.</summary>
    /// <param name="client">The peer's address.</param>
    /// <param name="exchange">The number of its authentication.</param>
    /// <param name="eap">What it says.</param>
    /// <param name="answered">Hears of it.</param>
    void Say(MacAddress client, ulong exchange, ReadOnlySpan<byte> eap, EapAnswered answered);

    /// <summary>Waits for answers and passes them on, until something is so.</summary>
    void RunUntil(Func<bool> isDone);
}
