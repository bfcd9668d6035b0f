using System.Buffers.Binary;
using System.Text;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests.Helpers;

/// <summary>
/// An FTP client of a <see cref="Site"/> and a server, as two TCP ends of the simplest kind: what each has is a range of octets and a set of those beyond it. The client may be taken to
/// another site in the middle, as the coordinator would. Nothing is sent unless the test says so, and it says what gets lost.
/// </summary>
internal sealed class FtpSession
{
    public static readonly TransportEndpoint Server = TransportEndpoint.Parse("203.0.113.9:21");
    public static readonly TransportEndpoint ServerV6 = TransportEndpoint.Parse("[fd00:f::9]:21");
    private const uint ServerStart = 5_000_000;

    private readonly uint _start;
    private readonly List<byte> _sent = [];
    private readonly SortedDictionary<uint, byte> _beyond = [];
    private readonly HashSet<uint> _sacked = [];
    private readonly List<byte> _received = [];
    private ulong _epoch = 1;

    public FtpSession(Site site, uint start = 1_000, bool ipv6 = false, ushort port = 40_000, TransportEndpoint? server = null)
    {
        Site = site;
        _start = start;
        Client = new TransportEndpoint(ipv6 ? Conversation.ClientV6 : Site.ClientAddress, port);
        Remote = server ?? (ipv6 ? ServerV6 : Server);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Segments.Make(Client, Remote, TcpFlags.Syn, unchecked(start - 1)), out var syn).Kind);
        Seen = Site.Parse(syn).Tuple.Source;
        WayIn = Seen;
        Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.Make(Remote, WayIn, Segments.SynAck, ServerStart - 1, start)).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Segments.Make(Client, Remote, TcpFlags.Ack, start, ServerStart), out _).Kind);
    }

    public Site Site { get; private set; }

    public TransportEndpoint Client { get; }

    public TransportEndpoint Remote { get; }

    /// <summary>The client's endpoint as the server sees it, and where what the server sends comes in here.</summary>
    public TransportEndpoint Seen { get; }

    public TransportEndpoint WayIn { get; private set; }

    /// <summary>How many octets the client has said so far, and how many it knows to have arrived.</summary>
    public int Said => _sent.Count;

    public int Acknowledged { get; private set; }

    /// <summary>What has come to the server in order.</summary>
    public string Received => Encoding.Latin1.GetString([.. _received]);

    /// <summary>What the server has sent, in octets.</summary>
    public uint ServerSaid { get; private set; }

    /// <summary>What the coordinator knows of the client's other mappings.</summary>
    public List<MappingRecord> Records { get; private set; } = [];

    public static Site NewSite(IReadOnlyList<IApplicationHelper>? helpers = null, FamConfig? config = null, LinkMtu? mtu = null, string own = "10.1.1.10")
    {
        var site = new Site(helpers ?? [new FtpHelper(21)], config, mtu, IpAddress.Parse(own), Conversation.OwnV6);
        site.Arrive(1);
        return site;
    }

    /// <summary>The client says something: where it stands in its stream.</summary>
    public (int From, int Length) Say(string text)
    {
        var from = _sent.Count;
        _sent.AddRange(Encoding.Latin1.GetBytes(text));
        return (from, text.Length);
    }

    /// <summary>The client says a line in a segment of its own, and everything gets through.</summary>
    public string Command(string text)
    {
        var before = _received.Count;
        var (from, length) = Say(text);
        var verdict = Send(from, length);
        Assert.True(verdict.Kind is VerdictKind.ForwardUplink or VerdictKind.Consumed, verdict.ToString());
        Answer();
        Assert.Equal(Said, Acknowledged);
        return Encoding.Latin1.GetString([.. _received[before..]]);
    }

    /// <summary>The client sends part of its stream, again or for the first time; what leaves the site gets to the server unless it is lost.</summary>
    public Verdict Send(int from, int length, Func<bool>? isLost = null, TcpFlags flags = TcpFlags.Ack | TcpFlags.Psh, OffloadInfo offload = default)
    {
        var already = Site.Uplink.Count;
        var packet = Segments.WithData(Client, Remote, flags, unchecked(_start + (uint)from), unchecked(ServerStart + ServerSaid), _sent.GetRange(from, length).ToArray());
        var verdict = Site.Out(packet, out _, offload);
        TakeNew(already, isLost);
        return verdict;
    }

    /// <summary>What has left the site since gets to the server.</summary>
    public void TakeNew(int already, Func<bool>? isLost = null)
    {
        foreach (var sent in Site.Uplink.Skip(already).Where(p => Site.Parse(p) is { Kind: PacketKind.Tcp } s && s.Tuple.Destination == Remote).ToList())
        {
            if (isLost?.Invoke() != true)
            {
                Arrive(sent);
            }
        }
    }

    /// <summary>The server acknowledges what it has, with blocks for what is beyond, and says something itself.</summary>
    public void Answer(string text = "", bool isLost = false, int blocks = 3)
    {
        var already = Site.ToClient.Count;
        var verdict = Site.In(Segments.WithData(
            Remote, WayIn, TcpFlags.Ack, unchecked(ServerStart + ServerSaid), unchecked(ServerBase + (uint)_received.Count), Encoding.Latin1.GetBytes(text), Blocks(blocks)));
        Assert.Equal(VerdictKind.ForwardClient, verdict.Kind);
        if (!isLost)
        {
            ServerSaid += (uint)text.Length;
            TakeAnswer(Site.ToClient[already]);
        }
    }

    /// <summary>The client hears an acknowledgment: it forgets what the server has.</summary>
    public void TakeAnswer(byte[] packet)
    {
        Assert.True(Segments.IsRight(packet));
        var summary = Site.Parse(packet);
        var acknowledged = unchecked((int)(summary.TcpAcknowledgment - _start));
        Assert.InRange(acknowledged, 0, Said);
        Acknowledged = Math.Max(Acknowledged, acknowledged);
        _sacked.Clear();
        var options = packet.AsSpan(summary.TransportOffset + TcpHeader.MinimumLength, summary.TransportLength - summary.PayloadLength - TcpHeader.MinimumLength);
        for (var at = 0; at < options.Length && options[at] != 0; at += options[at] == 1 ? 1 : options[at + 1])
        {
            for (var block = 2; options[at] == 5 && block < options[at + 1]; block += 8)
            {
                var left = BinaryPrimitives.ReadUInt32BigEndian(options[(at + block)..]);
                var right = BinaryPrimitives.ReadUInt32BigEndian(options[(at + block + 4)..]);
                Assert.True(unchecked((int)(right - left)) > 0);
                Assert.InRange(unchecked((int)(right - _start)), 0, Said);
                for (var i = left; i != right; i++)
                {
                    _sacked.Add(unchecked(i - _start));
                }
            }
        }
    }

    /// <summary>What the client has said and does not know to have arrived.</summary>
    public bool IsMissing(int at) => at >= Acknowledged && !_sacked.Contains((uint)at);

    /// <summary>The client goes to another access point: what the first FAM hands over is what the next one gets.</summary>
    public Site Move(IReadOnlyList<IApplicationHelper>? helpers = null, bool crash = false)
    {
        _epoch++;
        var left = Site;
        left.Wait(5);
        var known = left.Said.OfType<Announce>().SelectMany(a => a.Mappings).ToList();
        if (!crash)
        {
            left.Tell(new FamChange
            {
                Id = 1_000 + _epoch, Client = Site.Client, Epoch = new Epoch(_epoch), NewFam = Site.Other, PreviousFam = Site.Self, PreviousFamPeer = Site.OtherPeer, Token = _epoch, Routes = [],
            });
            known.AddRange(left.Said.OfType<HandOver>().SelectMany(h => h.Mappings));
        }

        var latest = Records.Concat(known).GroupBy(r => r.Mapping).Select(g => g.Last() with { Ham = Site.Other }).ToList();
        Records = [.. latest.Select(OverTheWire)];
        Site = new Site(helpers ?? left.Fam.Helpers, null, null, IpAddress.Parse("10.1.3.10"), IpAddress.Parse("fd00:10:1:3::10"));
        Site.Wait(_epoch);
        Site.Fam.OnAssociated(Site.Client, Site.Now);
        var offers = Site.Last<Arrive>().Offers.Where(o => o.Protocol == TransportProtocol.Tcp).ToList();
        Records = [.. Records.Select(r => r with { FamEndpoint = Take(offers, r.ClientEndpoint.Address.IsIPv4) })];
        Site.Answer(_epoch, complete: true, Site.Other, [.. Records]);
        WayIn = Records.Single(r => r.ClientEndpoint == Client).FamEndpoint;
        return left;
    }

    /// <summary>The coordinator lets the mapping be anchored elsewhere that the site has asked for.</summary>
    public TransportEndpoint Anchor(ushort port, bool refuse = false)
    {
        var attach = Site.Last<Attach>();
        Assert.Equal(Seen.Address, attach.At);
        var masquerade = new TransportEndpoint(attach.At, port);
        Site.Tell(new AttachReply
        {
            Id = attach.Id,
            Status = refuse ? AttachStatus.Refused : AttachStatus.Attached,
            Client = Site.Client,
            Mapping = refuse ? null : new MappingRecord
            {
                Mapping = new MappingId(TransportProtocol.Tcp, masquerade),
                ClientEndpoint = attach.ClientEndpoint,
                Ham = Site.Other,
                AnchorEpoch = attach.Epoch,
                Revision = 0,
                FamEndpoint = attach.FamEndpoint,
                Connections = [new ConnectionRecord(attach.Server, ConnectionState.None, 0)],
            },
        });
        return attach.FamEndpoint;
    }

    private uint ServerBase => _start;

    private static TransportEndpoint Take(List<FamOffer> offers, bool ipv4)
    {
        var offer = offers.First(o => o.Endpoint.Address.IsIPv4 == ipv4);
        offers.Remove(offer);
        return offer.Endpoint;
    }

    private static MappingRecord OverTheWire(MappingRecord record)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        ControlCodec.Encode(new HandOver { Id = 1, Client = Site.Client, Epoch = new Epoch(1), Mappings = [record], Ended = [] }, buffer);
        Assert.True(ControlCodec.TryDecode(buffer.WrittenSpan, out var message, out var error), error);
        return ((HandOver)message!).Mappings[0];
    }

    private void Arrive(byte[] packet)
    {
        Assert.True(Segments.IsRight(packet));
        var summary = Site.Parse(packet);
        Assert.Equal(Seen, summary.Tuple.Source);
        Assert.Equal(unchecked(ServerStart + ServerSaid), summary.TcpAcknowledgment);
        var payload = packet[(summary.Length - summary.PayloadLength)..summary.Length];
        for (var i = 0; i < payload.Length; i++)
        {
            var at = unchecked(summary.TcpSequence + (uint)i - ServerBase);
            if ((int)at < 0 || at < _received.Count)
            {
                // A copy: a real server does not look at it. While it may be unacknowledged it must be the same.
                continue;
            }

            if (_beyond.TryGetValue(at, out var before))
            {
                Assert.Equal(before, payload[i]);
            }

            _beyond[at] = payload[i];
        }

        while (_beyond.Remove((uint)_received.Count, out var next))
        {
            _received.Add(next);
        }
    }

    private byte[] Blocks(int most)
    {
        var blocks = new List<(uint Left, uint Right)>();
        foreach (var at in _beyond.Keys)
        {
            if (blocks.Count > 0 && blocks[^1].Right == at)
            {
                blocks[^1] = (blocks[^1].Left, at + 1);
            }
            else
            {
                blocks.Add((at, at + 1));
            }
        }

        if (blocks.Count == 0 || most == 0)
        {
            return [];
        }

        blocks = [.. blocks.Take(most)];
        var option = new byte[4 + (8 * blocks.Count)];
        (option[0], option[1], option[2], option[3]) = (1, 1, 5, (byte)(2 + (8 * blocks.Count)));
        for (var i = 0; i < blocks.Count; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(4 + (8 * i)), unchecked(ServerBase + blocks[i].Left));
            BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(8 + (8 * i)), unchecked(ServerBase + blocks[i].Right));
        }

        return option;
    }
}
