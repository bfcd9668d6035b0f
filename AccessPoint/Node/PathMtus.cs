using System.Buffers.Binary;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint;

/// <summary>
/// How large a packet may be on its way from this HAM to each FAM. Between them a translated packet has the server's source address and a destination that the server has never heard of:
/// what a router there says about it goes to the server and means nothing to it. So the HAM measures the way itself, with datagrams of its own (RFC 8899), whose errors come back to it
/// (RFC 1191, RFC 8201), and tells servers in its own name. Sans-I/O; fixed bounds.
/// </summary>
internal sealed class PathMtus(int linkMtu, TimeSpan interval, SeededRandom random)
{
    /// <summary>FAM addresses whose way is measured; those beyond it are taken to carry what the link does.</summary>
    public const int MaxPaths = 1_024;

    private const int Tries = 3;
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(200);

    /// <summary>What links carry that are met in practice, for ways on which nobody says anything (RFC 1191 section 7.1, RFC 8899 section 5.3.2).</summary>
    private static readonly int[] s_plateaus = [1_492, 1_460, 1_420, 1_400, 1_380, 1_340, 1_280, 1_006, 576];

    private readonly Dictionary<IpAddress, Path> _paths = [];

    /// <summary>When <see cref="TryProbe"/> has something to do.</summary>
    public Instant NextDeadline
    {
        get
        {
            var next = Instant.Never;
            foreach (var path in _paths.Values)
            {
                next = Instant.Min(next, path.Next);
            }

            return next;
        }
    }

    /// <summary>What the way to an address carries, as far as is known. The first question has it measured.</summary>
    public int To(IpAddress address, Instant now)
    {
        if (interval <= TimeSpan.Zero)
        {
            return linkMtu;
        }

        if (!_paths.TryGetValue(address, out var path))
        {
            if (_paths.Count >= MaxPaths && !Forget(now))
            {
                return linkMtu;
            }

            _paths[address] = path = new Path(linkMtu) { Next = now, Token = random.NextUInt64() };
        }

        path.LastAsked = now;
        return path.Mtu;
    }

    /// <summary>The next question that is due: a packet of <paramref name="size"/> octets to an address. False if there is none (any more).</summary>
    /// <param name="now">The time.</param>
    /// <param name="address">Where to.</param>
    /// <param name="size">How long the whole IP packet is to be.</param>
    /// <param name="token">What the answer must have.</param>
    public bool TryProbe(Instant now, out IpAddress address, out int size, out ulong token)
    {
        foreach (var (to, path) in _paths)
        {
            if (path.Next > now || !Proceed(to, path, now))
            {
                continue;
            }

            (address, size, token) = (to, path.Size, path.Token);
            return true;
        }

        (address, size, token) = (default, 0, 0);
        return false;
    }

    /// <summary>An answer has come: the way carries what was asked. True if that is news, for <see cref="To"/>.</summary>
    public bool OnAnswer(IpAddress from, ulong token, Instant now)
    {
        if (!_paths.TryGetValue(from, out var path) || !path.IsAsking || path.Token != token)
        {
            return false;
        }

        var isNews = path.Mtu != path.Size;
        path.Mtu = path.Size;
        path.Rest(now + interval, random);
        return isNews;
    }

    /// <summary>A router says that a question was too long, and what would not be. It is asked with that at once; only an answer is believed.</summary>
    public void OnTooBig(IpAddress to, ulong token, int mtu, Instant now)
    {
        if (!_paths.TryGetValue(to, out var path) || !path.IsAsking || path.Token != token || mtu >= path.Size || mtu < LeastMtu(to))
        {
            return;
        }

        (path.Size, path.Asked, path.Next) = (mtu, 0, now);
    }

    private static int LeastMtu(IpAddress address) => address.IsIPv4 ? 576 : 1_280;

    private bool Proceed(IpAddress to, Path path, Instant now)
    {
        if (!path.IsAsking)
        {
            (path.IsAsking, path.Size, path.Asked) = (true, linkMtu, 0);
        }
        else if (path.Asked >= Tries)
        {
            var smaller = Array.Find(s_plateaus, p => p < path.Size && p >= LeastMtu(to));
            if (smaller == 0)
            {
                // Nobody is there. That is for others to find out; the next time it is tried from the top.
                path.Rest(now + interval, random);
                return false;
            }

            (path.Size, path.Asked) = (smaller, 0);
        }

        path.Asked++;
        path.Next = now + s_patience;
        return true;
    }

    private bool Forget(Instant now)
    {
        foreach (var (address, path) in _paths)
        {
            if (now - path.LastAsked > interval + interval)
            {
                return _paths.Remove(address);
            }
        }

        return false;
    }

    /// <summary>Reads the MTU out of an ICMP error about one of this node's own questions, and the token out of the question; false if it does not quote that much.</summary>
    /// <param name="message">The ICMP message.</param>
    /// <param name="quoted">The payload of the datagram that it quotes.</param>
    /// <param name="ipv6">Which family.</param>
    /// <param name="token">The token.</param>
    /// <param name="mtu">The MTU.</param>
    public static bool TryReadTooBig(ReadOnlySpan<byte> message, ReadOnlySpan<byte> quoted, bool ipv6, out ulong token, out int mtu)
    {
        var isTooBig = ipv6 ? message[0] == Core.Wire.Icmpv6Type.PacketTooBig : message[0] == Core.Wire.IcmpType.DestinationUnreachable && message[1] == 4;
        var known = Core.Control.PeerCodec.TryDecodeStart(quoted, out var question) && question is Core.Control.PathProbe;
        token = known ? question!.Token : 0;
        mtu = (int)Math.Min(int.MaxValue, ipv6 ? BinaryPrimitives.ReadUInt32BigEndian(message[4..]) : BinaryPrimitives.ReadUInt16BigEndian(message[6..]));
        return isTooBig && known;
    }

    private sealed class Path(int mtu)
    {
        public int Mtu { get; set; } = mtu;

        /// <summary>The length being asked about.</summary>
        public int Size { get; set; }

        public int Asked { get; set; }

        public bool IsAsking { get; set; }

        public ulong Token { get; set; }

        public Instant Next { get; set; }

        public Instant LastAsked { get; set; }

        public void Rest(Instant until, SeededRandom random)
        {
            IsAsking = false;
            Token = random.NextUInt64();
            Next = until;
        }
    }
}
