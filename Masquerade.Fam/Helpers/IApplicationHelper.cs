using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>
/// Understands an application that says its own addresses and ports in what it sends over TCP, as FTP does, so that it works through translation (RFC 2663 section 2.9). It is shown what
/// a client sends, and says which endpoint of the client is named where; it decides nothing else. Who may be let in there, until when, and what all this does to sequence numbers
/// is the engine's affair, and the same for every helper. It has no state but a word per connection, which goes with the connection to the client's next access point.
/// </summary>
public interface IApplicationHelper
{
    /// <summary>1 to 16 ASCII characters. The same at every access point: by it a connection finds its helper at the next one.</summary>
    string Name { get; }

    /// <summary>Its word for a connection of which nothing has been sent yet. That of a connection which it meets in the middle is 0.</summary>
    uint Begin { get; }

    /// <summary>Whether it is for this TCP connection. Asked once, when the connection opens.</summary>
    /// <param name="client">The client's own endpoint.</param>
    /// <param name="server">The far end.</param>
    /// <param name="isService">Whether the client serves at that endpoint: it has a mapping that lets strangers in.</param>
    bool Covers(TransportEndpoint client, TransportEndpoint server, bool isService);

    /// <summary>
    /// Whether a connection that the client opens to the same server belongs to the session of one that it covers, so that the server wants to see the same address: it is anchored beside
    /// it, wherever the client is by then.
    /// </summary>
    /// <param name="server">The far end of the new connection.</param>
    bool Accompanies(TransportEndpoint server);

    /// <summary>Looks for the next place where the client names an endpoint of its own.</summary>
    /// <param name="text">What the client has sent: whatever anybody may have put into it.</param>
    /// <param name="from">Where to look on: 0, or behind the wish before.</param>
    /// <param name="state">Its word for the connection.</param>
    /// <param name="wish">What it has found.</param>
    /// <returns>Whether it has found any; if not, the rest has been looked at.</returns>
    bool TryFind(in HelperText text, int from, ref uint state, out HelperWish wish);

    /// <summary>Writes the endpoint that is to stand in its place.</summary>
    /// <param name="wish">What was found.</param>
    /// <param name="masquerade">The masquerade endpoint, of the same family.</param>
    /// <param name="text">Where to: <see cref="HelperWish.MaxLength"/> octets.</param>
    /// <returns>How many octets it takes, at least one.</returns>
    int Write(in HelperWish wish, TransportEndpoint masquerade, Span<byte> text);
}

/// <summary>Part of what a client sends, in order and shown once.</summary>
/// <param name="octets">The octets.</param>
/// <param name="isContinuous">Whether they follow upon what was shown last; if not, something between got lost or was never seen here.</param>
/// <param name="client">The client's own endpoint.</param>
/// <param name="server">The far end.</param>
/// <param name="isService">Whether the client is the one that serves.</param>
public readonly ref struct HelperText(ReadOnlySpan<byte> octets, bool isContinuous, TransportEndpoint client, TransportEndpoint server, bool isService)
{
    /// <summary>The octets.</summary>
    public ReadOnlySpan<byte> Octets { get; } = octets;

    /// <summary>Whether they follow upon what was shown last.</summary>
    public bool IsContinuous { get; } = isContinuous;

    /// <summary>The client's own endpoint.</summary>
    public TransportEndpoint Client { get; } = client;

    /// <summary>The far end.</summary>
    public TransportEndpoint Server { get; } = server;

    /// <summary>Whether the client is the one that serves.</summary>
    public bool IsService { get; } = isService;
}

/// <summary>A place where a client names an endpoint of its own, at which it waits for the far end.</summary>
/// <param name="Start">Where the octets begin that name it.</param>
/// <param name="Length">How many there are, at least one and at most <see cref="MaxLength"/>.</param>
/// <param name="ClientEndpoint">The endpoint. If it is not at the client's own address, or its port is below <see cref="LeastPort"/>, nothing comes of it.</param>
/// <param name="Form">How it is to be written, for the helper itself.</param>
public readonly record struct HelperWish(int Start, int Length, TransportEndpoint ClientEndpoint, ushort Form = 0)
{
    /// <summary>The most octets in which an endpoint is named.</summary>
    public const int MaxLength = 64;

    /// <summary>The lowest port to which anybody is let in: below are services (RFC 2577 section 3).</summary>
    public const ushort LeastPort = 1024;
}
