namespace Masquerade.SimWorld.World;

/// <summary>A seed has failed; the message says how to replay it.</summary>
internal sealed class SimFailure(ulong seed, WorldKind? kind, string what, string files) : Exception(
    $"seed {seed}: {what}\n{(kind is { } k ? $"replay: ./masq sim --seed {seed} --kind {Runner.Options.NameOf(k)}\n" : string.Empty)}written: {files}.mmd, {files}.pcap")
{
    public ulong Seed { get; } = seed;

    public WorldKind? Kind { get; } = kind;

    public string What { get; } = what;

    public string Files { get; } = files;
}
