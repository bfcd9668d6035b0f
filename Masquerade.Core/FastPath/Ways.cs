using System.Runtime.CompilerServices;

namespace Masquerade.Core.FastPath;

/// <summary>Which way packets go, as a type, so that either way is compiled by itself.</summary>
internal interface IWay
{
    static abstract bool IsInbound { get; }

    /// <summary>The key of a line's packets.</summary>
    static abstract FlowKey KeyOf(in FlowLine line);
}

/// <summary>Client to server.</summary>
internal readonly struct Outbound : IWay
{
    public static bool IsInbound => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FlowKey KeyOf(in FlowLine line) => new(line.Addresses, line.Ports, (byte)line.ClientAndProtocol);
}

/// <summary>Server to client.</summary>
internal readonly struct Inbound : IWay
{
    public static bool IsInbound => true;

    /// <summary>The second half of what an outbound packet has is the first one of an inbound packet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FlowKey KeyOf(in FlowLine line) => BitConverter.IsLittleEndian
        ? new FlowKey((line.Addresses >> 32) | ((ulong)line.FamAddress << 32), (line.Ports >> 16) | ((uint)line.FamPort << 16), (byte)line.ClientAndProtocol)
        : new FlowKey((line.Addresses << 32) | line.FamAddress, (line.Ports << 16) | line.FamPort, (byte)line.ClientAndProtocol);
}
