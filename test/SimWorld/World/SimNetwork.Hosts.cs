using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Fam;

namespace Masquerade.SimWorld.World;

/// <summary>Hosts and the radio: clients and servers that talk, and links that come and go.</summary>
internal sealed partial class SimNetwork
{
    private static readonly TimeSpan RadioDelay = TimeSpan.FromMicroseconds(200);

    /// <summary>Gets what comes to clients, or to servers, and belongs to no flow.</summary>
    public Action<SimClient, byte[]>? OtherAtClient { get; set; }

    public Action<byte[]>? OtherAtServer { get; set; }

    /// <summary>A client sends a packet that belongs to no flow.</summary>
    public void FromClient(SimClient client, byte[] packet)
    {
        if (client.At >= 0)
        {
            SendByRadio(client, packet);
        }
    }

    public Flow AddFlow(SimClient client, TransportProtocol protocol, bool ipv6, int server) => AddFlow(client, protocol, new TransportEndpoint(
        ipv6 ? new IpAddress(0x2001_0DB8_0000_0000, 0x100 + (ulong)server) : IpAddress.FromV4(0xCB00_7100 + 10 + (uint)server),
        protocol == TransportProtocol.Icmp ? (ushort)0 : (ushort)(7_000 + server)));

    /// <summary>A flow with a server, or with another client at the masquerade endpoint of one of its flows.</summary>
    public Flow AddFlow(SimClient client, TransportProtocol protocol, TransportEndpoint server, Flow? target = null)
    {
        var port = client.NextPort++;
        var flow = new Flow
        {
            Id = Flows.Count,
            Client = client,
            Protocol = protocol,
            Local = new TransportEndpoint(server.Address.IsIPv4 ? client.V4 : client.V6, port),
            Server = server,
            Target = target,
        };
        Flows.Add(flow);
        client.Flows.Add(flow);
        if (protocol == TransportProtocol.Tcp)
        {
            flow.ClientEnd = new TcpEnd(this, 1_000 + (1_000_000 * (uint)flow.Id), (segment, message) => FromClient(flow, segment, message), message => AtTcpClient(flow, message));
            flow.ClientEnd.Connect();
        }

        SpeakUp(flow);
        return flow;
    }

    public void Attach(SimClient client, int accessPoint)
    {
        client.At = accessPoint;
        client.Visited.Add(accessPoint);
        Chronicle.Note(Now, $"c{client.Index + 1}", AccessPoints[accessPoint].Name, "link up");
        if (Settings.Events)
        {
            AccessPoints[accessPoint].Node.OnAssociated(client.Mac, Now);
            AccessPoints[accessPoint].Wake();
        }
    }

    /// <summary>One more link, beside those that there are.</summary>
    public void AttachAlso(SimClient client, int accessPoint)
    {
        client.Also.Add(accessPoint);
        client.Visited.Add(accessPoint);
        Chronicle.Note(Now, $"c{client.Index + 1}", AccessPoints[accessPoint].Name, "one more link up");
        AccessPoints[accessPoint].Node.OnAssociated(client.Mac, Now);
        AccessPoints[accessPoint].Wake();
    }

    /// <summary>One of several links goes; another one is the first if it was that.</summary>
    public void DetachFrom(SimClient client, int accessPoint)
    {
        Chronicle.Note(Now, $"c{client.Index + 1}", AccessPoints[accessPoint].Name, "one link down");
        if (!client.Also.Remove(accessPoint))
        {
            client.At = client.Also.Count > 0 ? client.Also[0] : -1;
            client.Also.Remove(client.At);
        }

        if (!AccessPoints[accessPoint].IsDead)
        {
            AccessPoints[accessPoint].Node.OnDisassociated(client.Mac, Now);
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
        if (Settings.Events && !ap.IsDead)
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
        if (!client.IsLinkedTo(ap.Index))
        {
            SentAstray++;
            return;
        }

        At(RadioDelay, () =>
        {
            if (client.IsLinkedTo(ap.Index) && frame[12] == 0x08 && frame[13] == 0x06)
            {
                return;
            }

            if (client.IsLinkedTo(ap.Index))
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

        if (flow.ClientEnd is { } end)
        {
            end.Write();
        }
        else
        {
            FromClient(flow, default, ++flow.SentUp);
        }

        // Busy while things go wrong; in the quiet phase it is enough to be heard.
        var pause = Faulty ? 5_000 + Random.NextInt(10_000) : 20_000 + Random.NextInt(40_000);
        At(TimeSpan.FromMicroseconds(pause), () => SpeakUp(flow));
    }

    private void FromClient(Flow flow, Segment segment, uint message)
    {
        var client = flow.Client;
        if (client.At < 0)
        {
            return;
        }

        SendByRadio(client, Write(flow, flow.Local, flow.Server, segment, message, down: false));
    }

    private void SendByRadio(SimClient client, byte[] whole)
    {
        foreach (var packet in InPieces(whole))
        {
            SendFrameByRadio(client, packet);
        }
    }

    private void SendFrameByRadio(SimClient client, byte[] packet)
    {
        var frame = WireFormat.Frame(AccessPoint.AccessPointModel.DefaultGatewayMac, client.Mac, packet);
        Chronicle.Capture(Now, frame);
        int[] all = [client.At, .. client.Also];
        foreach (var at in Settings.Links == ClientLinks.Shared ? all : [all[client.Turn++ % all.Length]])
        {
            var copy = frame.ToArray();
            At(RadioDelay, () =>
            {
                if (client.IsLinkedTo(at))
                {
                    AccessPoints[at].FromRadio(copy);
                }
                else
                {
                    LostOutside++;
                }
            });
        }
    }

    private void AtServer(byte[] packet)
    {
        if (!TryAssemble(_serverPieces, ref packet))
        {
            return;
        }

        if (!WireFormat.TryRead(packet, out var read))
        {
            CheckErrorAtServer(packet);
            OtherAtServer?.Invoke(packet);
            return;
        }

        var flow = Flows[read.Flow];
        CheckIsSummed(flow, packet);
        TakeFromClient(flow, read);
    }

    /// <summary>Whoever is the flow's server gets one of its packets.</summary>
    private void TakeFromClient(Flow flow, in FlowPacket arrived)
    {
        var read = arrived;
        CheckAtServer(flow, read);
        if (read.Protocol == TransportProtocol.Tcp)
        {
            AtTcpServer(flow, read);
            return;
        }

        // An answer to every packet, and sometimes one more of the server's own accord.
        SpeakDown(flow, read.Source);
        if (read.Protocol != TransportProtocol.Icmp && Random.Chance(0.5))
        {
            At(TimeSpan.FromMicroseconds(Random.NextInt(8_000)), () => SpeakDown(flow, read.Source));
        }
    }

    private void SpeakDown(Flow flow, TransportEndpoint seen)
    {
        if (!flow.Stopped && seen == flow.Seen)
        {
            FromServer(flow, seen, default, ++flow.SentDown);
        }
    }

    private void FromServer(Flow flow, TransportEndpoint seen, Segment segment, uint message)
    {
        var packet = Write(flow, flow.ServerItself, seen, segment, message, down: true);
        if (flow.Target is { } target)
        {
            FromClient(target.Client, packet);
            return;
        }

        FromServer(packet);
    }

    private byte[] Write(Flow flow, TransportEndpoint source, TransportEndpoint to, Segment segment, uint message, bool down)
    {
        var isStream = flow.Protocol == TransportProtocol.Tcp;
        var mayLackSum = Settings.Fragments > 0 && flow.Protocol == TransportProtocol.Udp && source.Address.IsIPv4;
        var isSummed = !mayLackSum || !Random.Chance(0.2);
        Span<byte> payload = stackalloc byte[message == 0 ? 0 : Flow.PayloadLength + (Settings.Fragments > 0 && !isStream ? Random.NextInt(240) : 0)];
        flow.WritePayload(payload, message, down, isSummed);
        var packet = WireFormat.Packet(flow.Protocol, source, to, fromClient: !down, payload, segment, flow.Id);
        if (!isSummed)
        {
            WireFormat.RemoveSum(packet);
        }

        return packet;
    }

    /// <summary>The server knows a connection by the endpoint that it sees. What belongs to none is reset (RFC 9293 section 3.10.7.1).</summary>
    private void AtTcpServer(Flow flow, in FlowPacket read)
    {
        var seen = read.Source;
        var isSyn = (read.Segment.Flags & WireFormat.Syn) != 0;
        if (!flow.ServerEnds.TryGetValue(seen, out var end))
        {
            if (!isSyn)
            {
                if ((read.Segment.Flags & WireFormat.Rst) == 0)
                {
                    FromServer(flow, seen, new Segment(WireFormat.Rst, read.Segment.Acknowledgement, 0), 0);
                }

                return;
            }

            flow.ServerEnds[seen] = end = new TcpEnd(
                this, 77 + (1_000_000 * (uint)flow.Id) + (1_000 * (uint)seen.Port), (segment, message) => FromServer(flow, seen, segment, message), message => AtTcpServer(flow, message));
        }

        if (!end.IsOpen && !isSyn && (read.Segment.Flags & WireFormat.Rst) == 0 && !end.IsAcceptable(read.Segment))
        {
            FromServer(flow, seen, new Segment(WireFormat.Rst, read.Segment.Acknowledgement, 0), 0);
            return;
        }

        end.Take(read.Segment, read.Message);
        if (end.IsOpen && flow.Seen.IsNone)
        {
            flow.Seen = seen;
            flow.OpenedAt = Now;
        }
    }

    /// <summary>The server answers each message, and sometimes says one more.</summary>
    private void AtTcpServer(Flow flow, uint message)
    {
        CheckStream(flow, ++flow.ReceivedUp, message);
        var end = flow.ServerEnds.Values.First(e => e.IsOpen);
        end.Write();
        if (Random.Chance(0.3))
        {
            At(TimeSpan.FromMicroseconds(Random.NextInt(8_000)), end.Write);
        }
    }

    private void AtTcpClient(Flow flow, uint message) => CheckStream(flow, ++flow.ReceivedDown, message);

    private void AtClient(SimClient client, byte[] packet)
    {
        if (!TryAssemble(client.Pieces, ref packet))
        {
            return;
        }

        if (!WireFormat.TryRead(packet, out var read))
        {
            CheckOtherAtClient(client, packet);
            OtherAtClient?.Invoke(client, packet);
            return;
        }

        var flow = Flows[read.Flow];
        CheckIsSummed(flow, packet);
        if (flow.Target?.Client == client && !read.Down)
        {
            TakeFromClient(flow, read);
            return;
        }

        CheckAtClient(client, flow, read);
        MayComplain(client, packet);
        if (flow.ClientEnd is { } end)
        {
            end.Take(read.Segment, read.Message);
            CheckReset(flow);
        }
    }
}
