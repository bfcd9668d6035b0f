using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Ham;

/// <summary>A mapping's FAMs besides the first one, and how its packets are spread over them .</summary>
internal sealed class HamFurther(FamChoice choice, MappingId mapping, IReadOnlyList<TransportEndpoint> endpoints, Instant copiesUntil)
{
    private readonly TransportEndpoint[] _endpoints = [.. endpoints];
    private readonly PacketRewriter.Rewrite[] _rewrites = [.. endpoints.Select(e => e == mapping.Masquerade ? default : new PacketRewriter.Rewrite(mapping.Masquerade, e))];
    private readonly int[] _mtus = new int[endpoints.Count];
    private uint _turn;

    public FamChoice Choice { get; } = choice;

    /// <summary>Until when copies are sent.</summary>
    public Instant CopiesUntil { get; } = copiesUntil;

    public int Count => _endpoints.Length;

    public TransportEndpoint Endpoint(int index) => _endpoints[index];

    /// <summary>Whether it is this node.</summary>
    public bool IsLocal(int index) => _endpoints[index] == mapping.Masquerade;

    public ref readonly PacketRewriter.Rewrite To(int index) => ref _rewrites[index];

    public int Mtu(int index) => _mtus[index];

    public void SetMtu(int index, int mtu) => _mtus[index] = mtu;

    public void NoteMtu(IpAddress fam, int mtu)
    {
        for (var i = 0; i < _endpoints.Length; i++)
        {
            if (_endpoints[i].Address == fam && !IsLocal(i))
            {
                _mtus[i] = mtu;
            }
        }
    }

    /// <summary>
    /// Whose turn it is: 0 for the first FAM. Datagrams go packet by packet, for who sends them lives with their order. A TCP connection keeps to one FAM, for its ends take packets that
    /// overtake each other for lost ones (RFC 5681 section 3.2); so do fragments, which are put together by one, and errors.
    /// </summary>
    public int Next(in PacketSummary summary, uint seed)
    {
        var isError = summary.Kind == PacketKind.IcmpError;
        if (!isError && summary.Kind != PacketKind.Tcp && summary.Part == FragmentPart.Whole)
        {
            _turn = _turn >= _endpoints.Length ? 0 : _turn + 1;
            return (int)_turn;
        }

        var server = isError ? summary.EmbeddedTuple.Destination : summary.Tuple.Source;
        return (int)(FlowHash.Of(mapping.Protocol, server, seed) % (uint)(_endpoints.Length + 1));
    }
}

/// <summary>How far the copies of a client's packets are marked.</summary>
internal sealed class HamMarks(ulong token, IReadOnlyList<TransportEndpoint> peers)
{
    /// <summary>The token of the move.</summary>
    public ulong Token { get; } = token;

    /// <summary>The first FAM, and then the further ones.</summary>
    public IReadOnlyList<TransportEndpoint> Peers { get; } = peers;

    /// <summary>The last mark that was sent.</summary>
    public uint Last { get; set; }

    /// <summary>The last mark that the first FAM has answered.</summary>
    public uint Answered { get; set; }

    /// <summary>When what was copied since is to be marked; never while nothing was.</summary>
    public Instant Due { get; set; } = Instant.Never;
}
