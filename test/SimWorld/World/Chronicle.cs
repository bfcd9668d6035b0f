using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.SimWorld.World;

/// <summary>The last things that happened: written out when a seed fails, as a sequence diagram and a capture file.</summary>
internal sealed class Chronicle
{
    private const int MaxNotes = 4_000;
    private const int MaxFrames = 8_000;

    private readonly Queue<(Instant At, string From, string To, string What)> _notes = new();
    private readonly Queue<(Instant At, byte[] Frame)> _frames = new();

    /// <summary>A hash of everything noted and captured: the same seed gives the same one.</summary>
    public ulong Trace { get; private set; } = 14_695_981_039_346_656_037;

    public void Note(Instant at, string from, string to, string what)
    {
        Mix(at);
        foreach (var c in string.Concat(from, to, what))
        {
            Trace = (Trace ^ c) * 1_099_511_628_211;
        }

        _notes.Enqueue((at, from, to, what));
        if (_notes.Count > MaxNotes)
        {
            _notes.Dequeue();
        }
    }

    public void Capture(Instant at, byte[] frame)
    {
        Mix(at);
        foreach (var octet in frame)
        {
            Trace = (Trace ^ octet) * 1_099_511_628_211;
        }

        // Beginnings and ends of connections belong to the story.
        if (frame[12] is 0x08 or 0x86 && frame[13] is 0x00 or 0xDD && WireFormat.TryRead(frame.AsSpan(14), out var read)
            && (read.Segment.Flags & (WireFormat.Syn | WireFormat.Fin | WireFormat.Rst)) != 0)
        {
            Note(at, "wire", "wire", $"{Flags(read.Segment.Flags)} of flow {read.Flow} from {read.Source} to {read.To}");
        }

        _frames.Enqueue((at, frame));
        if (_frames.Count > MaxFrames)
        {
            _frames.Dequeue();
        }
    }

    private static string Flags(byte flags) =>
        string.Concat((flags & WireFormat.Syn) != 0 ? "SYN " : "", (flags & WireFormat.Fin) != 0 ? "FIN " : "", (flags & WireFormat.Rst) != 0 ? "RST " : "", (flags & WireFormat.Ack) != 0 ? "ACK" : "");

    /// <summary>A message in a few words.</summary>
    public static string Describe(ControlMessage message) => message switch
    {
        Arrive m => $"Arrive #{m.Id} {m.Client}",
        ArriveReply m => $"ArriveReply #{m.Id} {m.Client} epoch {m.Epoch} complete {m.Complete} mappings {Ids(m.Mappings)}",
        ArrivalUpdate m => $"ArrivalUpdate #{m.Id} {m.Client} epoch {m.Epoch} complete {m.Complete} mappings {Ids(m.Mappings)} ended {Ids(m.Ended)}",
        Announce m => $"Announce #{m.Id} {m.Client} epoch {m.Epoch} full {m.Full} mappings {Ids(m.Mappings)} ended {Ids(m.Ended)}",
        HandOver m => $"HandOver #{m.Id} {m.Client} epoch {m.Epoch} mappings {Ids(m.Mappings)}",
        Depart m => $"Depart #{m.Id} {m.Client} epoch {m.Epoch} mappings {Ids(m.Mappings)}",
        FamChange m => $"FamChange #{m.Id} {m.Client} epoch {m.Epoch} to {m.NewFam} from {m.PreviousFam} routes {Ids(m.Routes)}",
        FamCleared m => $"FamCleared #{m.Id} {m.Client} epoch {m.Epoch} routes {Ids(m.Routes)}",
        AnchorReport m => $"AnchorReport #{m.Id} {m.Client} epoch {m.Epoch} mappings {Ids(m.Mappings)}",
        MappingsEnded m => $"MappingsEnded #{m.Id} {m.Client} epoch {m.Epoch} {Ids(m.Mappings)}",
        ReleaseMappings m => $"ReleaseMappings #{m.Id} {m.Client} {Ids(m.Mappings)}",
        Attach m => $"Attach #{m.Id} {m.Client} epoch {m.Epoch} {m.Protocol} {m.ClientEndpoint} at {m.FamEndpoint}",
        AttachReply m => $"AttachReply #{m.Id} {m.Client} {m.Status}",
        AdoptMappings m => $"AdoptMappings #{m.Id} {m.Client} epoch {m.Epoch} {Ids(m.Mappings)}",
        AddressOwners m => $"AddressOwners #{m.Id} {string.Join(' ', m.Owners.Select(o => $"{o.Address} at {o.Node} epoch {o.Epoch}{(o.Settled ? " settled" : string.Empty)}"))}",
        Ack m => $"Ack #{m.Id} {m.Status}",
        _ => $"{message.GetType().Name} #{message.Id}",
    };

    /// <summary>An event in a few words.</summary>
    public static string Describe(EngineEvent engineEvent) => engineEvent switch
    {
        MappingAnchored e => $"anchors {e.Mapping} for {e.Client} {e.ClientEndpoint}",
        MappingReleased e => $"releases {e.Mapping} of {e.Client}",
        ClientArriving e => $"{e.Client} arrives",
        ClientArrived e => $"{e.Client} has arrived, epoch {e.Epoch}",
        ArrivalCompleted e => $"{e.Client} is complete, epoch {e.Epoch}",
        ClientDeparted e => $"{e.Client} is away, epoch {e.Epoch}",
        ClientSuperseded e => $"{e.Client} is at {e.NewFam}, epoch {e.Epoch}, {e.Flushed} flushed",
        AddressTaken e => $"takes {e.Address}, epoch {e.Epoch}",
        AddressYielded e => $"gives up {e.Address} to {e.To}, epoch {e.Epoch}",
        _ => engineEvent.GetType().Name,
    };

    private static string Ids(IReadOnlyList<MappingRecord> records) => Ids(records.Select(r => r.Mapping));

    private static string Ids(IReadOnlyList<FamRoute> routes) => $"[{string.Join(' ', routes.Select(r => $"{r.Mapping} to {r.NewFamEndpoint}"))}]";

    private static string Ids(IEnumerable<MappingId> mappings) => $"[{string.Join(' ', mappings)}]";

    /// <summary>Writes both files; returns where.</summary>
    public string Write(ulong seed)
    {
        var directory = Path.Combine(SourceTree.Find() ?? AppContext.BaseDirectory, "artifacts", "sim");
        Directory.CreateDirectory(directory);
        var stem = Path.Combine(directory, $"seed-{seed}");
        var diagram = new StringBuilder("sequenceDiagram\n");
        foreach (var (at, from, to, what) in _notes)
        {
            diagram.Append(CultureInfo.InvariantCulture, $"    {from}->>{to}: {at} {what}\n");
        }

        File.WriteAllText(stem + ".mmd", diagram.ToString());
        using var pcap = File.Create(stem + ".pcap");
        Span<byte> header = stackalloc byte[24];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xA1B2_3C4D);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], 65_535);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        pcap.Write(header);
        foreach (var (at, frame) in _frames)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)(at.Nanoseconds / 1_000_000_000));
            BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)(at.Nanoseconds % 1_000_000_000));
            BinaryPrimitives.WriteInt32LittleEndian(header[8..], frame.Length);
            BinaryPrimitives.WriteInt32LittleEndian(header[12..], frame.Length);
            pcap.Write(header[..16]);
            pcap.Write(frame);
        }

        return stem;
    }

    private void Mix(Instant at) => Trace = (Trace ^ (ulong)at.Nanoseconds) * 1_099_511_628_211;
}
