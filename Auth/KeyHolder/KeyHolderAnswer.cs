using Masquerade.Core.Control;

namespace Masquerade.Auth.KeyHolder;

/// <summary>What the key holder says to it.</summary>
/// <param name="Outcome">How it goes on.</param>
/// <param name="Eap">The EAP message for the client; empty with <see cref="EapOutcome.Unavailable"/>.</param>
/// <param name="Reason">Why it is refused or unavailable; <see cref="KeyHolderCount.Accepts"/>, <see cref="KeyHolderCount.Rejects"/> and <see cref="KeyHolderCount.Challenges"/> where the server decided.</param>
/// <param name="Grant">With <see cref="EapOutcome.Accept"/>: the session. Whoever asks again is given the same one; the key holder zeroes its key when it forgets the exchange.</param>
/// <param name="Patience">How long the server says the client may take for its answer (RFC 3579 section 2.4, Session-Timeout in an Access-Challenge); null if it does not say.</param>
public sealed record KeyHolderAnswer(EapOutcome Outcome, ReadOnlyMemory<byte> Eap, KeyHolderCount Reason, SessionGrant? Grant = null, TimeSpan? Patience = null)
{
    internal static KeyHolderAnswer Unavailable(KeyHolderCount reason) => new(EapOutcome.Unavailable, default, reason);

    /// <summary>How it goes on and why; nothing of what is in it.</summary>
    public override string ToString() => $"{Outcome} ({Reason})";
}
