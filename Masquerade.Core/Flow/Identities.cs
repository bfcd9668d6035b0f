using System.Globalization;

namespace Masquerade.Core.Flow;

/// <summary>
/// The number of a client's move, given by the coordinator and higher with every move. Of two statements about a client the one with the higher epoch is right,
/// whatever order they arrive in.
/// </summary>
/// <param name="Value">
/// 0 means "none yet" (provisional). Otherwise one more than the client's last epoch or the time of the move in milliseconds since 1970, whichever is higher: a hybrid logical
/// clock, so that a coordinator whose store has forgotten moves gives none of their numbers again.
/// </param>
public readonly record struct Epoch(ulong Value) : IComparable<Epoch>
{
    /// <summary>No epoch has been given yet.</summary>
    public static readonly Epoch None;

    /// <summary>The epoch of the next move.</summary>
    public Epoch Next() => new(Value + 1);

    /// <summary>Whether the left epoch is the older one.</summary>
    public static bool operator <(Epoch left, Epoch right) => left.Value < right.Value;

    /// <summary>Whether the left epoch is the newer one.</summary>
    public static bool operator >(Epoch left, Epoch right) => left.Value > right.Value;

    /// <summary>Whether the left epoch is not newer.</summary>
    public static bool operator <=(Epoch left, Epoch right) => left.Value <= right.Value;

    /// <summary>Whether the left epoch is not older.</summary>
    public static bool operator >=(Epoch left, Epoch right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(Epoch other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>The configured name of a node (access point or central host): 1 to 64 characters of [A-Za-z0-9._-]. Names order ordinally.</summary>
/// <param name="Name">The name; null or empty means "no node".</param>
public readonly record struct NodeId(string? Name)
{
    /// <summary>The longest name, in characters.</summary>
    public const int MaxLength = 64;

    /// <summary>No node.</summary>
    public static readonly NodeId None;

    /// <summary>Whether this is "no node".</summary>
    public bool IsNone => string.IsNullOrEmpty(Name);

    /// <summary>Whether a text may be a node name.</summary>
    public static bool IsValid(string? name) =>
        name is { Length: > 0 and <= MaxLength } && name.AsSpan().IndexOfAnyExcept(AllowedCharacters) < 0;

    private static readonly System.Buffers.SearchValues<char> AllowedCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    /// <inheritdoc/>
    public override string ToString() => IsNone ? "none" : Name!;
}

/// <summary>
/// What a node owns and others refer to: one masquerade endpoint of one protocol, towards everybody or towards one server. At any time it has one owner. An endpoint is either one mapping's
/// for all servers or is shared by mappings for one server each.
/// </summary>
/// <param name="Protocol">The transport protocol.</param>
/// <param name="Masquerade">The masquerade endpoint.</param>
/// <param name="Server">The server that the mapping is for; none if it is endpoint-independent.</param>
public readonly record struct MappingId(TransportProtocol Protocol, TransportEndpoint Masquerade, TransportEndpoint Server = default) : IComparable<MappingId>
{
    /// <summary>Whether it is for one server alone (address-and-port-dependent mapping).</summary>
    public bool IsOfServer => !Server.IsNone;

    /// <inheritdoc/>
    public int CompareTo(MappingId other)
    {
        var byProtocol = ((byte)Protocol).CompareTo((byte)other.Protocol);
        var byMasquerade = byProtocol != 0 ? byProtocol : Masquerade.CompareTo(other.Masquerade);
        return byMasquerade != 0 ? byMasquerade : Server.CompareTo(other.Server);
    }

    /// <inheritdoc/>
    public override string ToString() => IsOfServer ? $"{Protocol} {Masquerade} > {Server}" : $"{Protocol} {Masquerade}";
}
