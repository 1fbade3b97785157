using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>Takes what a run learns, for later runs.</summary>
internal interface ILessons
{
    /// <summary>Takes the trouble of a builder, or that it is healthy again.</summary>
    void Note(BuilderTrouble trouble);

    /// <summary>Takes how long a build took.</summary>
    void Note(BuildObservation build);

    /// <summary>A builder with what is known by now of its link.</summary>
    FarmBuilder WithBandwidth(FarmBuilder builder);
}
