namespace Masquerade.Auth.Radius;

/// <summary>
/// What a server says a session may do and for how long: the attributes of an Access-Accept or CoA-Request that are about that. Keys are not among them. It can be kept as octets and read again.
/// </summary>
public sealed class SessionTerms
{
    /// <summary>The most Filter-Id, and the most Class, that are kept; with more the terms are refused, for half of a policy is another policy.</summary>
    public const int MaximumList = 16;

    /// <summary>How often accounting may be wanted at most (RFC 2869 section 5.16): a minute; less counts as this.</summary>
    public static readonly TimeSpan LeastInterim = TimeSpan.FromSeconds(60);

    /// <summary>Terms without anything.</summary>
    public static readonly SessionTerms None = new([]);

    private readonly byte[] _octets;

    internal SessionTerms(byte[] octets) => _octets = octets;

    /// <summary>The attributes that this was read from, as RADIUS writes them; <see cref="SessionTermsReader.TryRead(ReadOnlySpan{byte}, out SessionTerms, out RadiusAttributeType)"/> takes them. At most 4,076 octets, no secrets.</summary>
    public ReadOnlyMemory<byte> Octets => _octets;

    /// <summary>User-Name: who accounting is told it is (RFC 2865 section 5.1); null if the server does not say.</summary>
    public string? UserName { get; internal set; }

    /// <summary>Chargeable-User-Identity (RFC 4372); null if there is none. Octets: nobody but the server reads it.</summary>
    public byte[]? ChargeableUserIdentity { get; internal set; }

    /// <summary>Class: what accounting gives back to the server (RFC 2865 section 5.25).</summary>
    public IReadOnlyList<byte[]> Class { get; internal set; } = [];

    /// <summary>Session-Timeout; null: no end.</summary>
    public TimeSpan? SessionTimeout { get; internal set; }

    /// <summary>Termination-Action: whether the user authenticates anew at the end instead of being put out (RFC 3580 section 3.19).</summary>
    public bool Reauthenticates { get; internal set; }

    /// <summary>Idle-Timeout; null: none.</summary>
    public TimeSpan? IdleTimeout { get; internal set; }

    /// <summary>Acct-Interim-Interval; null: accounting's own.</summary>
    public TimeSpan? InterimInterval { get; internal set; }

    /// <summary>Filter-Id: names of policies.</summary>
    public IReadOnlyList<string> FilterIds { get; internal set; } = [];

    /// <summary>NAS-Filter-Rule: the values of all such attributes behind one another (RFC 4849 section 2); empty: none. A filter reads it.</summary>
    public byte[] FilterRules { get; internal set; } = [];

    /// <summary>The VLAN that the user belongs to (RFC 3580 section 3.31): Tunnel-Private-Group-Id where Tunnel-Type is VLAN and Tunnel-Medium-Type is 802; null: no particular one.</summary>
    public string? Segment { get; internal set; }

    /// <summary>Reply-Message for the user; null if there is none.</summary>
    public string? ReplyMessage { get; internal set; }
}
