using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.KernelAbi;
using Masquerade.Lab.Net;

namespace Masquerade.Bench.Network;

/// <summary>Datagrams of 64 octets (with the frame check sequence that no link here has) of many connections, written once and sent many times past the queueing discipline, 64 with one call.</summary>
internal sealed unsafe class FrameLoad : IDisposable
{
    /// <summary>Octets of a frame without its check sequence.</summary>
    public const int FrameLength = 60;

    private const int Slot = 64;
    private const int Batch = 64;
    private const int FlowsOfClient = 1_000;
    private const ushort FirstPort = 10_000;

    /// <summary>192.168.77.101, the first client of the laboratory.</summary>
    private const uint FirstClient = 0xC0A8_4D65;

    private static readonly TransportEndpoint s_sink = new(IpAddress.Parse(RouterSite.ServerAddress), RouterSite.SinkPort);
    private readonly int _socket;
    private readonly byte* _frames;
    private readonly Kernel.Message* _messages;
    private readonly IoVec* _pieces;
    private readonly int[] _order;
    private int _next;

    /// <summary>Writes the frames of connections to the sink's port, from as many clients as it takes with a thousand each.</summary>
    public FrameLoad(RouterSite site, int flows, SeededRandom random)
    {
        Flows = flows;
        _socket = site.Clients.Invoke(() => Kernel.OpenLink("eth0", 0));
        var yes = 1;
        Libc.Check(Libc.SetSockOpt(_socket, Libc.SolPacket, Kernel.QueueingBypass, &yes, sizeof(int)), "bypass the queueing discipline");
        _frames = (byte*)NativeMemory.AlignedAlloc((nuint)flows * Slot, Slot);
        NativeMemory.Clear(_frames, (nuint)flows * Slot);
        _messages = (Kernel.Message*)NativeMemory.AllocZeroed(Batch, (nuint)sizeof(Kernel.Message));
        _pieces = (IoVec*)NativeMemory.AllocZeroed(Batch, (nuint)sizeof(IoVec));
        for (var i = 0; i < Batch; i++)
        {
            _pieces[i].Length = FrameLength;
            _messages[i].Header.Pieces = &_pieces[i];
            _messages[i].Header.PieceCount = 1;
        }

        for (var i = 0; i < flows; i++)
        {
            Write(new Span<byte>(_frames + ((nint)i * Slot), FrameLength), i);
        }

        _order = [.. Enumerable.Range(0, flows)];
        for (var i = flows - 1; i > 0; i--)
        {
            var j = random.NextInt(i + 1);
            (_order[i], _order[j]) = (_order[j], _order[i]);
        }
    }

    public int Flows { get; }

    /// <summary>Sends as fast as it can for a time, and says how many it sent.</summary>
    public long Flood(TimeSpan time)
    {
        var sent = 0L;
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < time;)
        {
            sent += SendBatch(Batch);
        }

        return sent;
    }

    /// <summary>Sends so many at a steady rate, in groups with a pause after each.</summary>
    public void Pace(long count, int perSecond, CancellationToken cancel)
    {
        var group = Math.Clamp(perSecond / 5_000, 1, Batch);
        var began = Stopwatch.GetTimestamp();
        for (var sent = 0L; sent < count && !cancel.IsCancellationRequested;)
        {
            sent += SendBatch((int)Math.Min(group, count - sent));
            var ahead = TimeSpan.FromSeconds((double)sent / perSecond) - Stopwatch.GetElapsedTime(began);
            if (ahead > TimeSpan.FromMicroseconds(50))
            {
                Lab.LabClock.SleepUntil(Lab.LabClock.Now + (long)ahead.TotalNanoseconds);
            }
        }
    }

    public void Dispose()
    {
        _ = Libc.Close(_socket);
        NativeMemory.AlignedFree(_frames);
        NativeMemory.Free(_messages);
        NativeMemory.Free(_pieces);
    }

    /// <summary>The frame of the first connection, and the numbers in it that others count on from.</summary>
    public ReadOnlySpan<byte> Template(out uint address, out uint lowerMac)
    {
        (address, lowerMac) = (FirstClient, (uint)MacAddress.Parse(LabTopology.ClientMac(0)).Value);
        return new ReadOnlySpan<byte>(_frames, FrameLength);
    }

    /// <summary>What a datagram of a connection carries, so that it can be told at the sink.</summary>
    public static void WriteContent(Span<byte> content, int flow)
    {
        "masq"u8.CopyTo(content);
        BinaryPrimitives.WriteInt32BigEndian(content[4..], flow);
        content[8..].Fill((byte)flow);
    }

    private static void Write(Span<byte> frame, int flow)
    {
        var client = flow / FlowsOfClient;
        var packet = frame[EthernetHeader.Length..];
        WriteContent(packet[(Ipv4Header.MinimumLength + UdpHeader.HeaderLength)..], flow);
        PacketPath.WriteHeaders(packet, new TransportEndpoint(IpAddress.FromV4(FirstClient + (uint)client), (ushort)(FirstPort + (flow % FlowsOfClient))), s_sink);

        // It looks at the packet for its type.
        EthernetHeader.WriteForIp(frame, MacAddress.Parse(LabTopology.GatewayMac), new MacAddress(MacAddress.Parse(LabTopology.ClientMac(0)).Value + (ulong)client));
    }

    private int SendBatch(int count)
    {
        for (var i = 0; i < count; i++)
        {
            _pieces[i].Base = _frames + ((nint)_order[_next] * Slot);
            _next = _next + 1 == _order.Length ? 0 : _next + 1;
        }

        // What the link refuses is not waited for: it is a load, and what arrives is counted elsewhere.
        return Math.Max(1, Kernel.SendMany(_socket, _messages, (uint)count, 0));
    }
}
