using System.Text;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Dhcp;

/// <summary>
/// The relay agent (RFC 2131 section 4.1, RFC 1542 section 4): what clients ask goes to the site's servers, and what these answer to the client.
/// <para>
/// giaddr is where an answer goes, and commonly says in which subnet the client is. All access points show clients the same gateway address, so here it is an address of this access
/// point's own on the uplink, and option 82 names the client's subnet (link selection, RFC 3527). Where there is one server, it is also asked to have clients take the gateway address
/// for its own (RFC 5107): then renewals come to the relay agent at whichever access point the client is. With several servers that address would not tell them apart; renewals
/// to a server's own address are taken out of the client's traffic in any case.
/// </para>
/// </summary>
internal sealed class DhcpRelay
{
    /// <summary>RFC 1542 section 4.1.1: by default 4. Clients say 0.</summary>
    public const int MaxHops = 4;

    private readonly IpAddress[] _servers;
    private readonly byte[] _information;

    public DhcpRelay(NodeId node, IpAddress gateway, IReadOnlyList<IpAddress> servers)
    {
        _servers = [.. servers];
        _information = Information(node, gateway, overrides: servers.Count == 1);
    }

    /// <summary>What option 82 holds.</summary>
    public ReadOnlySpan<byte> AgentInformation => _information;

    /// <summary>The servers that a request goes to: one, if it is addressed to that one, else all.</summary>
    public ReadOnlySpan<IpAddress> ServersFor(IpAddress destination)
    {
        var chosen = Array.IndexOf(_servers, destination);
        return chosen < 0 ? _servers : _servers.AsSpan(chosen, 1);
    }

    /// <summary>Whether an answer from there is to be believed.</summary>
    public bool IsServer(IpAddress address) => Array.IndexOf(_servers, address) >= 0;

    /// <summary>Writes what goes to the servers.</summary>
    /// <param name="request">The client's message.</param>
    /// <param name="relay">This node's address, for the answer.</param>
    /// <param name="buffer">Where to.</param>
    /// <param name="length">Octets written.</param>
    public DropReason WriteRequest(in DhcpMessage request, IpAddress relay, Span<byte> buffer, out int length)
    {
        length = 0;
        if (request.Hops >= MaxHops)
        {
            return DropReason.TtlExpired;
        }

        var writer = new DhcpWriter(buffer, request);
        writer.Relay((byte)(request.Hops + 1), relay);
        writer.AddAllBut(request.Options, DhcpOption.RelayAgent);

        // The last option (RFC 3046 section 2.1).
        writer.Add(DhcpOption.RelayAgent, _information);
        length = writer.Finish();
        return length == 0 ? DropReason.TooBig : DropReason.None;
    }

    /// <summary>Writes what goes to the client: the server's message without option 82, which must come back as it was said (RFC 3046 section 2.2), if it comes back.</summary>
    public DropReason WriteReply(in DhcpMessage reply, Span<byte> buffer, out int length)
    {
        length = 0;
        if (reply.TryGetOption(DhcpOption.RelayAgent, out var echo) && !echo.SequenceEqual(_information))
        {
            return DropReason.UnexpectedAnswer;
        }

        var writer = new DhcpWriter(buffer, reply);
        writer.AddAllBut(reply.Options, DhcpOption.RelayAgent);
        length = writer.Finish();
        return length == 0 ? DropReason.TooBig : DropReason.None;
    }

    private static byte[] Information(NodeId node, IpAddress gateway, bool overrides)
    {
        var name = Encoding.ASCII.GetBytes(node.Name!);
        Span<byte> address = stackalloc byte[16];
        var octets = address[..gateway.WriteTo(address)].ToArray();
        return
        [
            RelayAgentSubOption.CircuitId, (byte)name.Length, .. name,
            RelayAgentSubOption.RemoteId, (byte)name.Length, .. name,
            RelayAgentSubOption.LinkSelection, (byte)octets.Length, .. octets,
            .. overrides ? [RelayAgentSubOption.ServerIdentifierOverride, (byte)octets.Length, .. octets] : (byte[])[],
        ];
    }
}
