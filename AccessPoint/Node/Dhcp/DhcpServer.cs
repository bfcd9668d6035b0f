using System.Text;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Dhcp;

/// <summary>
/// Answers clients itself, with what the coordinator has assigned (RFC 2131 section 4.3). Its identifier is the gateway address, so to a client it is one server at every access
/// point. Which address a client gets the coordinator decides; here is only what is said on the wire.
/// </summary>
internal sealed class DhcpServer(ClientSideModel clients, IpAddress gateway)
{
    /// <summary>What to ask the coordinator because of a client's message. False if there is nothing to ask, because the message makes no sense or is meant for another server.</summary>
    public bool TryTranslate(in DhcpMessage request, IpAddress destination, out LeaseAction action, out IpAddress address)
    {
        action = default;
        address = request.AddressIn(DhcpOption.RequestedAddress);
        var server = request.AddressIn(DhcpOption.ServerIdentifier);
        var current = request.ClientAddress == DhcpMessage.NoAddress ? IpAddress.None : request.ClientAddress;
        if ((!server.IsNone && server != gateway) || (destination != gateway && !destination.IsMulticastOrBroadcast))
        {
            return false;
        }

        switch (request.Type)
        {
            case DhcpMessageType.Discover:
                action = LeaseAction.Offer;
                return true;
            case DhcpMessageType.Request:
                // Selecting and init-reboot name the address in the option, renewing and rebinding have it (RFC 2131 table 4).
                (action, address) = (LeaseAction.Confirm, address.IsNone ? current : address);
                return !address.IsNone;
            case DhcpMessageType.Decline:
                action = LeaseAction.Decline;
                return !address.IsNone;
            case DhcpMessageType.Release:
                (action, address) = (LeaseAction.Release, current);
                return !address.IsNone;
            case DhcpMessageType.Inform:
                (action, address) = (LeaseAction.Inform, IpAddress.None);
                return !current.IsNone;
            default:
                return false;
        }
    }

    /// <summary>Writes the answer to a client's message. 0 if there is none to give.</summary>
    public int Answer(in DhcpMessage request, LeaseAction action, LeaseReply lease, Span<byte> buffer)
    {
        switch (action)
        {
            case LeaseAction.Offer or LeaseAction.Confirm when lease.Status == AckStatus.Ok && !lease.Address.IsNone:
                return WriteLease(request, action == LeaseAction.Offer ? DhcpMessageType.Offer : DhcpMessageType.Acknowledge, lease, buffer);
            case LeaseAction.Confirm when lease.Status == AckStatus.Refused:
                return WriteRefusal(request, buffer);
            case LeaseAction.Inform when lease.Status == AckStatus.Ok:
                // Everything but an address and a lease (RFC 2131 section 4.3.5).
                return WriteLease(request, DhcpMessageType.Acknowledge, lease with { Address = IpAddress.None }, buffer);
            default:
                return 0;
        }
    }

    private int WriteLease(in DhcpMessage request, DhcpMessageType type, LeaseReply lease, Span<byte> buffer)
    {
        var address = lease.Address.IsNone ? request.ClientAddress : lease.Address;
        if (!TryFindPrefix(address, out var prefix))
        {
            // The pool is not of a subnet that this access point shows: nobody could use the address here.
            return 0;
        }

        var writer = new DhcpWriter(buffer, request);
        writer.TurnIntoReply(
            type == DhcpMessageType.Offer ? DhcpMessage.NoAddress : request.ClientAddress,
            lease.Address.IsNone ? DhcpMessage.NoAddress : lease.Address);
        writer.Add(DhcpOption.MessageType, [(byte)type]);
        writer.Add(DhcpOption.ServerIdentifier, gateway);
        if (!lease.Address.IsNone)
        {
            // RFC 2131 section 4.4.5: at half the time and at seven eighths.
            writer.Add(DhcpOption.LeaseTime, lease.LeaseSeconds);
            writer.Add(DhcpOption.RenewalTime, lease.LeaseSeconds / 2);
            writer.Add(DhcpOption.RebindingTime, (uint)(lease.LeaseSeconds * 7UL / 8));
        }

        writer.Add(DhcpOption.SubnetMask, uint.MaxValue << (32 - prefix.Length));
        writer.Add(DhcpOption.Router, gateway);
        if (lease.DnsServers.Any(a => a.IsIPv4))
        {
            Span<byte> servers = stackalloc byte[4 * ControlLimits.MaxAddresses];
            var length = 0;
            foreach (var server in lease.DnsServers.Where(a => a.IsIPv4).Take(byte.MaxValue / 4))
            {
                length += server.WriteTo(servers[length..]);
            }

            writer.Add(DhcpOption.DnsServers, servers[..length]);
        }

        if (lease.Domain.Length > 0)
        {
            writer.Add(DhcpOption.DomainName, Encoding.ASCII.GetBytes(lease.Domain));
        }

        if (clients.Mtu is > 0 and < 1500)
        {
            writer.Add(DhcpOption.InterfaceMtu, [(byte)(clients.Mtu >> 8), (byte)clients.Mtu]);
        }

        EchoClientIdentifier(ref writer, request);
        return writer.Finish();
    }

    private int WriteRefusal(in DhcpMessage request, Span<byte> buffer)
    {
        var writer = new DhcpWriter(buffer, request);
        writer.TurnIntoReply(DhcpMessage.NoAddress, DhcpMessage.NoAddress);
        writer.Add(DhcpOption.MessageType, [(byte)DhcpMessageType.Refuse]);
        writer.Add(DhcpOption.ServerIdentifier, gateway);
        EchoClientIdentifier(ref writer, request);
        return writer.Finish();
    }

    /// <summary>RFC 6842: a client that has a name of its own finds its answers by it.</summary>
    private static void EchoClientIdentifier(ref DhcpWriter writer, in DhcpMessage request)
    {
        if (request.TryGetOption(DhcpOption.ClientIdentifier, out var identifier))
        {
            writer.Add(DhcpOption.ClientIdentifier, identifier);
        }
    }

    private bool TryFindPrefix(IpAddress address, out IpPrefix prefix)
    {
        foreach (var candidate in clients.Prefixes)
        {
            if (candidate.Contains(address) && candidate.Contains(gateway) && candidate.Length > 0)
            {
                prefix = candidate;
                return true;
            }
        }

        prefix = default;
        return false;
    }
}
