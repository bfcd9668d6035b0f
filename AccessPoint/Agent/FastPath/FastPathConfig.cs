using System.ComponentModel.DataAnnotations;

namespace Masquerade.AccessPoint.Agent.FastPath;

/// <summary>Where the kernel takes frames of one side.</summary>
public enum FastPathHook
{
    /// <summary>tc, at the ingress: on every interface, and super-packets stay whole.</summary>
    Tc,

    /// <summary>XDP in the driver: the least work for each frame, where both drivers can; frames that segmentation offload would have joined come one by one.</summary>
    Xdp,
}

/// <summary>Whether packets of established connections pass in the kernel (decision 47).</summary>
public sealed record FastPathConfig
{
    /// <summary>Whether they may; where the kernel, libbpf or privileges are missing, the agent says so and passes them itself.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>The most connections that pass there; 512 to 1,024 octets of kernel memory each, taken when the agent starts.</summary>
    [Range(64, 4_194_304)]
    public int MaxConnections { get; init; } = 16_384;

    /// <summary>Where frames from the uplink are taken.</summary>
    public FastPathHook Uplink { get; init; }

    /// <summary>Where frames from clients are taken.</summary>
    public FastPathHook Clients { get; init; }
}
