using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// Servers that are to see the clients' own addresses (RFC 6888 REQ-6). What a client opens to them has a record like any mapping, whose endpoints are both the client's, so that states,
/// timers, filter, limits and errors are the same; but it takes no port, no HAM has it, and nobody is told of it. It does not outlast the stay: the client's own address leads to wherever it
/// is, and there its next packet makes it anew.
/// </summary>
public sealed partial class FamEngine
{
    private static readonly TimeSpan AnnounceClientInterval = TimeSpan.FromSeconds(1);

    /// <summary>Connections that have been opened without translation.</summary>
    public long UntranslatedOpened { get; private set; }

    /// <summary>Client endpoints that speak without translation now.</summary>
    public int UntranslatedCount => _table.UntranslatedCount;

    /// <summary>Whether a client that servers may know by this address is here, so that this node has to answer for it on the uplink.</summary>
    public bool ShowsClient(IpAddress address) => _config.Untranslated.ShowsClient(address) && _clients.OwnerOf(address) is var client and >= 0
        && _clients[client].State is ClientState.Serving or ClientState.Away or ClientState.Arriving;

    /// <summary>
    /// A packet of a client to such a server that belongs to nothing known here. It waits for nobody: what the coordinator knows has no bearing on it. It need not be the first of its
    /// connection, which may have been opened at another access point.
    /// </summary>
    private Verdict OpenUntranslated(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        ref var record = ref _clients[client];
        if (record.State is ClientState.Superseded or ClientState.Departing)
        {
            return Drop(DropReason.ClientGone);
        }

        var slot = _table.FindUntranslated(summary.Tuple.Protocol, summary.Tuple.Source);
        if (Filter is not null && JudgeOpening(client, slot, summary) is not DropReason.None and var refused)
        {
            return RefuseByPolicy(refused, packet, summary, offload, record.Mac, now);
        }

        if (slot >= 0)
        {
            UntranslatedOpened++;
            return OpenOn(slot, packet, summary, offload, now);
        }

        if ((summary.TcpFlags & TcpFlags.Rst) != 0)
        {
            return summary.Ttl <= 1 ? Drop(DropReason.TtlExpired) : PassUntouched(packet, summary, Verdict.Uplink);
        }

        var quota = MayOpen(record, summary.Tuple.Protocol, newMapping: true, now);
        if (quota != DropReason.None)
        {
            return Refuse(quota, client, packet, summary, now);
        }

        slot = _table.AddUntranslated(client, summary.Tuple.Protocol, summary.Tuple.Source);
        if (slot < 0)
        {
            return SendBackToClient(DropReason.TableFull, IcmpError.HostUnreachable, packet, summary, record.Mac);
        }

        AnnounceClient(ref record, summary.Tuple.Source.Address, now);
        var verdict = OpenOn(slot, packet, summary, offload, now);
        if (_table.Mapping(slot).ConnectionCount == 0)
        {
            RemoveMapping(slot, now);
        }
        else
        {
            UntranslatedOpened++;
        }

        return verdict;
    }

    /// <summary>
    /// A packet from the uplink to a client's own address. Servers that the client has sent to get through, as always. So does a TCP segment that neither opens nor resets anything: the
    /// connection may have been opened where the client was before, its own stack is the judge, and its answer makes the record.
    /// </summary>
    private Verdict DeliverUntranslated(
        TransportProtocol protocol, TransportEndpoint local, TransportEndpoint server, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var client = _clients.OwnerOf(local.Address);
        if (client < 0 || !_config.Untranslated.Covers(local.Address, server.Address))
        {
            return Drop(DropReason.NotForUs);
        }

        var slot = _table.FindUntranslated(protocol, local);
        if ((slot >= 0 && FindInbound(slot, server) >= 0) || !IsWithinConnection(summary))
        {
            return slot >= 0 ? DeliverInbound(slot, local, server, packet, summary, offload, now) : Drop(DropReason.FilteredServer);
        }

        switch (_clients[client].State)
        {
            case ClientState.Serving:
                if (Filter is not null && JudgeExchange(client, summary, fromClient: false, now) is not DropReason.None and var reason)
                {
                    return Drop(reason);
                }

                if (summary.Ttl <= 1)
                {
                    return SendBackToServer(DropReason.TtlExpired, IcmpError.TimeExceeded, packet, summary, local, local, offload);
                }

                return LinkMtu.IsExceeded(ClientMtu(client), summary, offload)
                    ? SendBackToServer(DropReason.TooBig, IcmpError.TooBig(ClientMtu(client)), packet, summary, local, local, offload)
                    : PassUntouched(packet, summary, Verdict.ToClient(_clients[client].Mac));
            case ClientState.Away or ClientState.Arriving:
                return Hold(client, packet, offload, HoldInbound, now);
            default:
                return Drop(DropReason.ClientGone);
        }
    }

    private static bool IsWithinConnection(in PacketSummary summary) => summary.Kind == PacketKind.Tcp && (summary.TcpFlags & (TcpFlags.Syn | TcpFlags.Rst)) == 0;

    private static Verdict PassUntouched(Span<byte> packet, in PacketSummary summary, Verdict verdict)
    {
        PacketRewriter.DecrementTtl(packet, summary);
        return verdict;
    }

    /// <summary>The network has to learn that the client's address is here now, for it may know it elsewhere.</summary>
    private void AnnounceClient(ref FamClient client, IpAddress address, Instant now)
    {
        if (address == client.AnnouncedAddress && now < client.AnnounceAddressAgain)
        {
            return;
        }

        client.AnnouncedAddress = address;
        client.AnnounceAddressAgain = now + AnnounceClientInterval;
        _output.Report(new ClientAddressShown(client.Mac, address, client.Epoch));
    }

    private void AnnounceClient(int client, Instant now)
    {
        if (_config.Untranslated.IsEmpty)
        {
            return;
        }

        foreach (var address in _clients[client].Addresses)
        {
            if (_config.Untranslated.ShowsClient(address))
            {
                AnnounceClient(ref _clients[client], address, now);
            }
        }
    }

    private void ForgetUntranslated(int client, Instant now)
    {
        while (_clients[client].FirstUntranslated >= 0)
        {
            RemoveMapping(_clients[client].FirstUntranslated, now);
        }
    }
}
