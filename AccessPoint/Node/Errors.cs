using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>ICMP errors that the node itself makes, as the router that it is.</summary>
public sealed partial class AccessPointNode
{
    private readonly byte[] _error = new byte[IcmpError.MaxIPv6];
    private readonly ErrorLimiter _errorLimiter;

    /// <summary>ICMP errors that this node has made.</summary>
    public long ErrorsSent { get; private set; }

    /// <summary>ICMP errors that were due and beyond the limits.</summary>
    public long ErrorsLimited { get; private set; }

    private void SendError(in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress client)
    {
        var toClient = !client.IsNone;
        if (!(toClient ? _model.Icmp.ErrorsToClients : _model.Icmp.ErrorsToUplink) || !IcmpError.MayAnswer(summary))
        {
            return;
        }

        var receiver = summary.Tuple.Source.Address;
        var source = toClient ? GatewayFor(receiver.IsIPv4) : OwnFor(packet);
        if (source.IsNone)
        {
            return;
        }

        if (!_errorLimiter.TryTake(receiver, _now))
        {
            ErrorsLimited++;
            return;
        }

        ErrorsSent++;
        var length = error.Write(_error, source, packet[..Math.Min(packet.Length, summary.Length)]);
        if (toClient)
        {
            _clientLink.SendCopy(_error.AsSpan(0, length), OffloadInfo.None, client);
        }
        else
        {
            SendUplinkCopy(_error.AsSpan(0, length), OffloadInfo.None);
        }
    }

    /// <summary>What clients see this hop as: the virtual gateway; where it has only a link-local address, an own address (RFC 4443 section 2.2, RFC 6724 rule 2).</summary>
    private IpAddress GatewayFor(bool isIPv4)
    {
        var linkLocal = IpAddress.None;
        foreach (var gateway in _model.Clients.GatewayAddresses)
        {
            if (gateway.IsIPv4 != isIPv4)
            {
                continue;
            }

            if (!gateway.IsLinkLocal)
            {
                return gateway;
            }

            linkLocal = gateway;
        }

        var own = FirstOwn(isIPv4);
        return own.IsNone ? linkLocal : own;
    }

    /// <summary>What the uplink side sees this hop as: the address that the packet was sent to, if it is here (RFC 4443 section 2.2 (a)), else one that is.</summary>
    private IpAddress OwnFor(ReadOnlySpan<byte> packet)
    {
        var destination = Link.UplinkLink.DestinationOf(packet);
        if (_uplinkLink.IsOwn(destination))
        {
            return destination;
        }

        return FirstOwn(destination.IsIPv4);
    }

    private IpAddress FirstOwn(bool isIPv4)
    {
        foreach (var own in _uplinkLink.Own)
        {
            if (own.IsIPv4 == isIPv4)
            {
                return own;
            }
        }

        return IpAddress.None;
    }
}
