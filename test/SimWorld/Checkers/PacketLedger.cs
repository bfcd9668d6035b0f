using System.Globalization;
using Masquerade.Core.Diagnostics;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Checkers;

/// <summary>
/// The books of one access point over one life of its tables: every flow packet that went in came out, was dropped for a counted reason, or is still held. A packet that
/// vanishes without a reason stays on the books as held for ever; one that the product makes twice turns the balance negative. What nodes say themselves (ARP, neighbour
/// discovery, datagrams to each other, ICMP errors) is not booked, and none of it may be dropped in a simulated site.
/// </summary>
/// <param name="copies">Copies that the node has made on purpose.</param>
internal sealed class PacketLedger(Func<long> copies)
{
    public long In { get; private set; }

    public long Out { get; private set; }

    /// <summary>A frame on its way into or out of the node.</summary>
    public static bool IsBooked(ReadOnlySpan<byte> frame) =>
        frame.Length > 14 && ((frame[12] << 8) | frame[13]) is 0x0800 or 0x86DD && !OddPackets.IsOfNodes(frame[14..]);

    public void BookIn(ReadOnlySpan<byte> frame) => In += IsBooked(frame) ? 1 : 0;

    public void BookOut(ReadOnlySpan<byte> frame) => Out += IsBooked(frame) ? 1 : 0;

    /// <summary>Drops of what is not booked.</summary>
    public void Excuse(long drops) => In += drops;

    /// <summary>What must be waiting in the node, by the books.</summary>
    public long Held(DropCounters drops) => In + copies() - Out - drops.Total;

    public string Describe(DropCounters drops)
    {
        var reasons = Enum.GetValues<DropReason>().Where(r => r != DropReason.None && drops[r] > 0).Select(r => string.Create(CultureInfo.InvariantCulture, $"{r} {drops[r]}"));
        return string.Create(CultureInfo.InvariantCulture, $"{In} in, {Out} out, {Held(drops)} held; dropped: {string.Join(", ", reasons)}");
    }
}
