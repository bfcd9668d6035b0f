namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>Counters of a packet device since it was opened; a GSO packet counts once.</summary>
/// <param name="Received">Frames handed to the handler.</param>
/// <param name="Transmitted">Frames accepted for transmission.</param>
/// <param name="KernelDrops">Frames that the kernel dropped because the receive ring was full (or because it cannot describe their offload state).</param>
/// <param name="ReceiveErrors">Frames that were dropped because they did not arrive whole.</param>
/// <param name="TransmitErrors">Frames that were dropped because they cannot be sent: too short, too long, contradictory offload fields, or refused by the kernel.</param>
public readonly record struct DeviceStatistics(long Received, long Transmitted, long KernelDrops, long ReceiveErrors, long TransmitErrors);
