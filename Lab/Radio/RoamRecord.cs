namespace Masquerade.Lab.Radio;

/// <summary>One switch of a client's link, with the instants (<see cref="LabClock"/>, ns) between which each change took effect.</summary>
/// <param name="Client">The client; 0 is c1.</param>
/// <param name="From">The access point it left; 0 is AP1, -1 none.</param>
/// <param name="To">The access point it came to; -1 none.</param>
/// <param name="DownBegin">Just before the link was cut; up to here it was alive.</param>
/// <param name="DownEnd">From here on it was dead.</param>
/// <param name="UpBegin">Up to here it was dead.</param>
/// <param name="UpEnd">From here on the new link was alive.</param>
public sealed record RoamRecord(int Client, int From, int To, long DownBegin, long DownEnd, long UpBegin, long UpEnd)
{
    /// <summary>How long the link was certainly dead, ns. The shortest honest figure: what a gap may be reduced by.</summary>
    public long SwitchTime => Math.Max(0, UpBegin - DownEnd);
}
