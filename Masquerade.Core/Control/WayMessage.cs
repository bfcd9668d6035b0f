using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>A datagram between two nodes about whether packets with a foreign source get through from one to the other, and about what stands for them if not (N-09).</summary>
/// <param name="Token">In a question random, in its answer the question's; in what is said of a stand-in the cookie that the receiver has given the sender.</param>
public abstract record WayMessage(ulong Token);

/// <summary>
/// A question on a way: sent with an own source as a question to the other end, or with a foreign one and perhaps few hops to live, to see whether anybody notices it. Who gets it, or an
/// error that quotes it, tells <see cref="Asker"/>.
/// </summary>
/// <param name="Token">Random.</param>
/// <param name="Asker">The address of the node that asks; the answer goes to its peer port.</param>
public sealed record WayProbe(ulong Token, IpAddress Asker) : WayMessage(Token);

/// <summary>Answer to <see cref="WayProbe"/>, or news that a router's error about it has come.</summary>
/// <param name="Token">The question's.</param>
/// <param name="Cookie">What the asker must show when it names stand-ins from this address: it shows that it can be reached there.</param>
public sealed record WayProbed(ulong Token, ulong Cookie) : WayMessage(Token);

/// <summary>What a stand-in is for.</summary>
public enum StandInUse : byte
{
    /// <summary>FAM → HAM: a client's packets from a masquerade endpoint to a server.</summary>
    ToServer = 1,

    /// <summary>HAM → FAM: a server's packets to a FAM endpoint.</summary>
    ToFam = 2,

    /// <summary>Previous FAM → HAM: a server's packets to a masquerade endpoint, once more, because the client is elsewhere by now.</summary>
    Back = 3,
}

/// <summary>
/// Packets that the sender would send with a foreign source go from an endpoint of its own, to an endpoint of the receiver, without a word more in them than before; this says what to put
/// back. The receiver answers with the same as <see cref="StandInKnown"/>.
/// </summary>
/// <param name="Token">The cookie that the receiver has given the sender.</param>
/// <param name="Use">What for.</param>
/// <param name="Protocol">The transport protocol.</param>
/// <param name="Client">The client whose mapping it is about: both ends know it, others do not.</param>
/// <param name="Source">The sender's endpoint, which stands for the foreign one.</param>
/// <param name="Destination">The receiver's endpoint: the masquerade endpoint, or with <see cref="StandInUse.ToFam"/> the FAM endpoint.</param>
/// <param name="Server">The server.</param>
public sealed record StandIn(
    ulong Token, StandInUse Use, TransportProtocol Protocol, MacAddress Client, TransportEndpoint Source, TransportEndpoint Destination, TransportEndpoint Server) : WayMessage(Token);

/// <summary>Answer to <see cref="StandIn"/>: it is known from now on.</summary>
/// <param name="Token">As in the question.</param>
/// <param name="Use">As in the question.</param>
/// <param name="Protocol">As in the question.</param>
/// <param name="Client">As in the question.</param>
/// <param name="Source">As in the question.</param>
/// <param name="Destination">As in the question.</param>
/// <param name="Server">As in the question.</param>
public sealed record StandInKnown(
    ulong Token, StandInUse Use, TransportProtocol Protocol, MacAddress Client, TransportEndpoint Source, TransportEndpoint Destination, TransportEndpoint Server) : WayMessage(Token);
