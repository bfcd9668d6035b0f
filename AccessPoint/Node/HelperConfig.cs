using Masquerade.Fam;

namespace Masquerade.AccessPoint;

/// <summary>Which applications are helped through translation because they say their own addresses and ports (RFC 4787 REQ-10, RFC 5382 REQ-6).</summary>
public sealed record HelperConfig
{
    /// <summary>The most ports of one application.</summary>
    public const int MaxPorts = 8;

    /// <summary>FTP: data connections that a server opens to a client, and those that it takes where it is itself a client here.</summary>
    public bool Ftp { get; init; } = true;

    /// <summary>The ports of servers at which FTP's control connections are looked for, at most <see cref="MaxPorts"/>.</summary>
    public IReadOnlyList<ushort> FtpPorts { get; set; } = [21];

    /// <summary>The helpers that are on.</summary>
    internal IReadOnlyList<IApplicationHelper> Make() => Ftp && FtpPorts.Count > 0 ? [new FtpHelper([.. FtpPorts])] : [];
}
