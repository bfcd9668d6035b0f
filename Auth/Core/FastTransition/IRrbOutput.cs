using Masquerade.Core.Flow;

namespace Masquerade.Auth.FastTransition;

/// <summary>What a <see cref="RrbKeyHolder"/> wants of its shell. Calls happen inside its calls; spans are valid only during the call.</summary>
public interface IRrbOutput
{
    /// <summary>Send a whole Ethernet frame.</summary>
    void Send(ReadOnlySpan<byte> frame);

    /// <summary>Ask whoever has the keys. The answer is given to <see cref="RrbKeyHolder.OnAnswer"/> under the number.</summary>
    /// <param name="client">The client.</param>
    /// <param name="holder">R1KH-ID of who asks.</param>
    /// <param name="pmkR0Name">PMKR0Name, 16 octets.</param>
    /// <returns>The question's number; 0: it cannot be asked.</returns>
    ulong Ask(MacAddress client, MacAddress holder, ReadOnlySpan<byte> pmkR0Name);

    /// <summary>Nobody waits for the answer any more.</summary>
    void Withdraw(ulong question);
}
