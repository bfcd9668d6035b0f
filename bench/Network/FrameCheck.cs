using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Lab.Net;

namespace Masquerade.Bench.Network;

/// <summary>Looks at a sample of what reaches the server: translated, both checksums right, one hop further, the content whole, and one public endpoint for each connection.</summary>
internal static unsafe class FrameCheck
{
    private const int Sample = 500;

    /// <summary>Sends a sample at leisure and reads it at the server; says how many checks passed.</summary>
    public static long Run(RouterSite site, FrameLoad load)
    {
        var socket = site.Server.Invoke(() => Kernel.OpenLink("eth0", Kernel.AllProtocols));
        try
        {
            // The whole sample waits there until it is read.
            var room = 4 << 20;
            Libc.Check(Libc.SetSockOpt(socket, Libc.SolSocket, Kernel.ForcedReceiveBuffer, &room, sizeof(int)), "make room for a sample");
            var count = Math.Min(Sample, load.Flows);
            load.Pace(count, 20_000, CancellationToken.None);
            var seen = new Dictionary<TransportEndpoint, int>();
            var frame = stackalloc byte[2_048];
            for (var began = Stopwatch.GetTimestamp(); seen.Count < count && Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(2);)
            {
                var length = (int)Libc.Receive(socket, frame, 2_048, Kernel.DontWait);
                if (length <= 0)
                {
                    Thread.Sleep(1);
                    continue;
                }

                Look(new Span<byte>(frame, length), seen, site.Name);
            }

            return seen.Count == count && seen.Values.Distinct().Count() == count ? count : throw new BenchException($"{site.Name}: of {count} datagrams {seen.Count} arrived in a sample");
        }
        finally
        {
            _ = Libc.Close(socket);
        }
    }

    [SkipLocalsInit]
    private static void Look(Span<byte> frame, Dictionary<TransportEndpoint, int> seen, string site)
    {
        if (frame.Length < FrameLoad.FrameLength || frame[12] != 8 || frame[13] != 0 || frame[23] != IpProtocolNumber.Udp || BinaryPrimitives.ReadUInt16BigEndian(frame[36..]) != RouterSite.SinkPort)
        {
            return;
        }

        var packet = frame[14..FrameLoad.FrameLength];
        var datagram = packet[Ipv4Header.MinimumLength..];
        var (source, destination) = (IpAddress.FromV4(BinaryPrimitives.ReadUInt32BigEndian(packet[12..])), IpAddress.FromV4(BinaryPrimitives.ReadUInt32BigEndian(packet[16..])));
        var flow = BinaryPrimitives.ReadInt32BigEndian(datagram[12..]);
        Span<byte> expected = stackalloc byte[FrameLoad.FrameLength - 42];
        FrameLoad.WriteContent(expected, flow);
        var isRight = InternetChecksum.Finish(InternetChecksum.Sum(packet[..Ipv4Header.MinimumLength])) == 0
            && InternetChecksum.Finish(InternetChecksum.Sum(datagram, InternetChecksum.PseudoHeaderSum(source, destination, IpProtocolNumber.Udp, datagram.Length))) == 0
            && packet[8] == 63 && (packet[12], packet[13], packet[14]) == ((byte)10, (byte)1, (byte)1) && datagram[8..].SequenceEqual(expected);
        if (!isRight)
        {
            throw new BenchException($"{site}: a datagram arrived that is not as it should be: {Convert.ToHexString(packet)}");
        }

        seen[new TransportEndpoint(source, BinaryPrimitives.ReadUInt16BigEndian(datagram))] = flow;
    }
}
