using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.SimWorld.World;

/// <summary>Hosts and the radio: clients and servers that talk, and links that come and go.</summary>
internal sealed partial class SimNetwork
{
    private static readonly TimeSpan RadioDelay = TimeSpan.FromMicroseconds(200);

    public Flow AddFlow(SimClient client, TransportProtocol protocol, bool ipv6, int server)
    {
        var port = client.NextPort++;
        var flow = new Flow
        {
            Id = Flows.Count,
            Client = client,
            Protocol = protocol,
            Local = new TransportEndpoint(ipv6 ? client.V6 : client.V4, port),
            Server = new TransportEndpoint(
                ipv6 ? new IpAddress(0x2001_0DB8_0000_0000, 0x100 + (ulong)server) : IpAddress.FromV4(0xCB00_7100 + 10 + (uint)server),
                protocol == TransportProtocol.Icmp ? (ushort)0 : (ushort)(7_000 + server)),
            Open = protocol != TransportProtocol.Tcp,
        };
        Flows.Add(flow);
        client.Flows.Add(flow);
        SpeakUp(flow);
        return flow;
    }

    public void Attach(SimClient client, int accessPoint)
    {
        client.At = accessPoint;
        Chronicle.Note(Now, $"c{client.Index + 1}", AccessPoints[accessPoint].Name, "link up");
        if (Settings.Events)
        {
            AccessPoints[accessPoint].Node.OnAssociated(client.Mac, Now);
            AccessPoints[accessPoint].Wake();
        }
    }

    public void Detach(SimClient client)
    {
        if (client.At < 0)
        {
            return;
        }

        var ap = AccessPoints[client.At];
        Chronicle.Note(Now, $"c{client.Index + 1}", ap.Name, "link down");
        client.At = -1;
        if (Settings.Events)
        {
            ap.Node.OnDisassociated(client.Mac, Now);
            ap.Wake();
        }
    }

    /// <summary>A frame from an access point to a client: it arrives if the client is (still) there.</summary>
    public void ToClient(SimAccessPoint ap, byte[] frame)
    {
        Chronicle.Capture(Now, frame);
        var to = MacAddress.FromBytes(frame);
        if (to.IsGroup)
        {
            return;
        }

        CheckChecksums(ap.Name, frame);
        var client = Clients.Find(c => c.Mac == to) ?? throw Fail($"{ap.Name} sends a frame to {to}, which is nobody");
        if (client.At != ap.Index)
        {
            SentAstray++;
            return;
        }

        At(RadioDelay, () =>
        {
            if (client.At == ap.Index)
            {
                AtClient(client, frame.AsSpan(14).ToArray());
            }
            else
            {
                LostOutside++;
            }
        });
    }

    /// <summary>The client sends the flow's next packet, and again after a while.</summary>
    private void SpeakUp(Flow flow)
    {
        if (flow.Stopped)
        {
            return;
        }

        if (!flow.Dead)
        {
            SendUp(flow);
        }

        // Busy while things go wrong; in the quiet phase it is enough to be heard.
        var pause = Faulty ? 5_000 + Random.NextInt(10_000) : 20_000 + Random.NextInt(40_000);
        At(TimeSpan.FromMicroseconds(pause), () => SpeakUp(flow));
    }

    private void SendUp(Flow flow)
    {
        var client = flow.Client;
        if (client.At < 0)
        {
            return;
        }

        Span<byte> payload = stackalloc byte[Flow.PayloadLength];
        flow.WritePayload(payload, ++flow.SentUp, down: false);
        var isSyn = flow is { Protocol: TransportProtocol.Tcp, Open: false };
        var packet = WireFormat.Packet(flow.Protocol, flow.Local, flow.Server, isSyn ? WireFormat.Syn : WireFormat.Ack, fromClient: true, payload);
        var frame = WireFormat.Frame(AccessPoint.AccessPointModel.DefaultGatewayMac, client.Mac, packet);
        var at = client.At;
        Chronicle.Capture(Now, frame);
        At(RadioDelay, () =>
        {
            if (client.At == at)
            {
                AccessPoints[at].FromRadio(frame);
            }
            else
            {
                LostOutside++;
            }
        });
    }

    private void AtServer(byte[] packet)
    {
        if (!WireFormat.TryRead(packet, out var protocol, out var source, out var to, out var flags, out var payload)
            || !Flow.TryReadPayload(payload, out var id, out var sequence, out var down))
        {
            return;
        }

        var flow = Flows[id];
        CheckAtServer(flow, protocol, source, to, down, sequence);
        if ((flags & WireFormat.Syn) != 0)
        {
            flow.Open = true;
        }

        // An answer to every packet, and sometimes one more of the server's own accord.
        SpeakDown(flow, source, (flags & WireFormat.Syn) != 0);
        if (protocol != TransportProtocol.Icmp && Random.Chance(0.5))
        {
            At(TimeSpan.FromMicroseconds(Random.NextInt(8_000)), () => SpeakDown(flow, source, false));
        }
    }

    private void SpeakDown(Flow flow, TransportEndpoint seen, bool synAck)
    {
        if (flow.Dead || (flow.Stopped && !synAck) || seen != flow.Seen)
        {
            return;
        }

        Span<byte> payload = stackalloc byte[Flow.PayloadLength];
        flow.WritePayload(payload, ++flow.SentDown, down: true);
        FromServer(WireFormat.Packet(flow.Protocol, flow.Server, seen, synAck ? (byte)(WireFormat.Syn | WireFormat.Ack) : WireFormat.Ack, fromClient: false, payload));
    }

    private void AtClient(SimClient client, byte[] packet)
    {
        if (WireFormat.TryRead(packet, out var protocol, out var source, out var to, out _, out var payload)
            && Flow.TryReadPayload(payload, out var id, out var sequence, out var down))
        {
            CheckAtClient(client, Flows[id], protocol, source, to, down, sequence);
        }
    }
}
