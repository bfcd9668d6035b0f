using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;

namespace Masquerade.Lab.Scenario;

/// <summary>The product: one coordinator, and an agent at every access point, each a process of its own.</summary>
internal sealed class MasqueradeNetwork : INetworkUnderTest
{
    private readonly List<ProgramUnderTest> _programs = [];

    public MasqueradeNetwork(LabTopology topology, SimulatedRadio radio, DemoOptions options, CancellationToken cancel)
    {
        throw new LabException("the programs are not wired up yet");
    }

    public string? Failure => _programs.Select(p => p.Failure).FirstOrDefault(f => f is not null);

    public void Dispose()
    {
        _programs.ForEach(p => p.RequestStop());
        _programs.ForEach(p => p.Dispose());
    }
}
